import { type Command, type CommandOptions, Option } from 'commander'

const whereHelp = 'Where and as whom:'
const contextOptions: readonly Option[] = [
  new Option('--project <id>', 'project'),
  new Option('--region <id>', 'region'),
  new Option('--server <url>', 'URL of the API'),
  new Option('--token <token>', 'bearer token (better: BERTH_TOKEN, which other users do not see)'),
  new Option('--context <name>', 'a saved context instead of the current one'),
]

/** A command that talks to a region: where, as whom, and in which form it answers. */
export function addWithContext(
  parent: Command,
  usage: string,
  description: string,
  options?: CommandOptions,
): Command {
  const command = parent
    .command(usage, options)
    .description(description)
    .option('-o, --output <format>', 'table, json, yaml or name', 'table')
  for (const option of contextOptions) command.addOption(option.helpGroup(whereHelp))
  return command
}
