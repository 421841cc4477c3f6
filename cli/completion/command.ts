// `berth completion bash|zsh|fish`: a script for the shell that offers commands and flags. It is made from the commands
// themselves, so that it never knows fewer than there are.
import { type Command, Option } from 'commander'
import { usageError } from '../exit-codes.ts'
import { withExamples } from '../output/examples.ts'

export function addCompletionCommand(program: Command): void {
  withExamples(program.command('completion <shell>'), {
    'bash, for everybody on this machine': 'berth completion bash > /etc/bash_completion.d/berth',
    'zsh, in this shell': 'source <(berth completion zsh)',
    fish: 'berth completion fish > ~/.config/fish/completions/berth.fish',
  })
    .description('print a completion script for bash, zsh or fish')
    .action((shell: string) => {
      process.stdout.write(renderCompletion(shell, program))
    })
}

export function renderCompletion(shell: string, program: Command): string {
  switch (shell) {
    case 'bash':
      return bashScript(wordsOf(program))
    case 'zsh':
      return `autoload -U +X bashcompinit && bashcompinit\n${bashScript(wordsOf(program))}`
    case 'fish':
      return fishScript(wordsOf(program))
    default:
      throw usageError(`There is no completion for ${shell}; there is bash, zsh and fish.`)
  }
}

/** What may follow each line of commands: "instances" → create, list, …; "instances create" → its flags. */
function wordsOf(command: Command, line = ''): ReadonlyMap<string, readonly string[]> {
  const flags = [...command.options, new Option('--help')].map((option) => option.long ?? option.short ?? '')
  const words = new Map<string, readonly string[]>([
    [line, [...command.commands.map((one) => one.name()), ...flags]],
  ])
  for (const one of command.commands) {
    for (const [inside, list] of wordsOf(one, `${line} ${one.name()}`.trim())) words.set(inside, list)
  }
  return words
}

function bashScript(words: ReadonlyMap<string, readonly string[]>): string {
  const cases = [...words].map(([line, list]) => `    '${line}') words='${list.join(' ')}' ;;`)
  return `_berth() {
  local line='' word words=''
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in -*) ;; *) case " $_berth_lines " in *" \${line:+\${line}_}$word "*) line="\${line:+\${line}_}$word" ;; esac ;; esac
  done
  case \${line//_/ } in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
_berth_lines='${[...words.keys()].map((line) => line.replaceAll(' ', '_')).join(' ')}'
complete -o default -F _berth berth
`
}

function fishScript(words: ReadonlyMap<string, readonly string[]>): string {
  const lines = [...words].flatMap(([line, list]) => {
    const parts = line.split(' ').filter(Boolean)
    const seen = parts.map((part) => `__fish_seen_subcommand_from ${part}`)
    const names = list.filter((word) => !word.startsWith('-'))
    const isHere = names.length > 0 ? [`not __fish_seen_subcommand_from ${names.join(' ')}`] : []
    const condition = [...seen, ...isHere].join('; and ')
    return list.map((word) => {
      const what = word.startsWith('--') ? `-l ${word.slice(2)}` : `-a ${word}`
      return `complete -c berth ${condition === '' ? '' : `-n '${condition}' `}${what}`
    })
  })
  return `complete -c berth -f\n${lines.join('\n')}\n`
}
