import type { Ec2Tree } from '../plan/ec2-tree.ts'
import { type Answer, answerPlainly, notReady } from './answer.ts'
import type { Document } from './document.ts'

/** To who has shown a token. A directory is a list, with or without a slash at the end of the request. */
export function answerEc2(document: Document | undefined, path: readonly string[]): Answer {
  if (document?.ec2 === undefined) return notReady('The metadata of this instance is not ready yet.\n')
  if (path[0] === 'user-data') {
    const userData = document.nocloud['user-data']
    return userData === '' || path.length > 1 ? notThere : answerPlainly(200, userData)
  }
  const found = find(document.ec2, path)
  if (found === undefined) return notThere
  return answerPlainly(200, typeof found === 'string' ? found : list(found, path.at(-1)))
}

/** Version 1 asks without a token. What is not Amazon's asks for this list and, without it, waits for seconds. */
export function answerWithoutToken(document: Document | undefined, path: readonly string[]): Answer {
  const isList = path.length === 1 && path[0] === 'meta-data'
  return isList && document?.flavour === 'OPENSTACK'
    ? answerPlainly(200, '')
    : answerPlainly(401, 'PUT /latest/api/token gives a token, and it is missing here or good no longer.\n')
}

const notThere = answerPlainly(404, 'There is no such entry.\n')

function find(tree: Ec2Tree, path: readonly string[]): Ec2Tree | undefined {
  let at: Ec2Tree | undefined = tree
  for (const name of path) at = typeof at === 'object' && Object.hasOwn(at, name) ? at[name] : undefined
  return at
}

function list(tree: Readonly<Record<string, Ec2Tree>>, name: string | undefined): string {
  return Object.entries(tree)
    .map(([entry, below]) => {
      // A key is listed with its name.
      if (name === 'public-keys') return `${entry}=key-${entry}`
      return typeof below === 'string' ? entry : `${entry}/`
    })
    .join('\n')
}
