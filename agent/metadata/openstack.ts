// Requests as OpenStack's metadata service understands them: versions, and files below each of them. Pure.
import { type Answer, answerPlainly, notReady } from './answer.ts'
import type { Document } from './document.ts'

export interface OpenstackQuestion {
  readonly kind: 'openstack'
  /** Below /openstack. */
  readonly path: readonly string[]
}

/** What is answered is that of the newest, which is what all ask for. */
const versions = ['2012-08-10', '2016-06-30', '2018-08-27', 'latest']

export const isOpenstackPath = (name: string): boolean => /^openstack(\/|$)/.test(name)

export const parseOpenstackQuestion = (name: string): OpenstackQuestion => ({
  kind: 'openstack',
  path: name
    .split('/')
    .filter((part) => part !== '')
    .slice(1),
})

export function answerOpenstack(document: Document | undefined, { path }: OpenstackQuestion): Answer {
  const [version, file, ...more] = path
  if (version === undefined) return answerPlainly(200, `${versions.join('\n')}\n`)
  if (!versions.includes(version) || more.length > 0) return notThere
  if (document?.openstack === undefined) return notReady('The metadata of this instance is not ready yet.\n')
  const { openstack } = document
  if (file === undefined) return answerPlainly(200, `${Object.keys(openstack).join('\n')}\n`)
  const content = Object.hasOwn(openstack, file) ? openstack[file] : undefined
  if (content === undefined) return notThere
  return answerPlainly(200, content, file.endsWith('.json') ? { 'content-type': 'application/json' } : {})
}

const notThere = answerPlainly(404, 'There is no such file.\n')
