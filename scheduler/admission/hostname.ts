import { type Problem, problem } from '../errors.ts'

const label = /^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/i
const maximumLength = 253

export function checkHostname(hostname: string): readonly Problem[] {
  if (hostname.length <= maximumLength && hostname.split('.').every((part) => label.test(part))) return []
  const message = `"${hostname.slice(0, 80)}" is no RFC 1035 name: labels of 1 to 63 letters, digits and hyphens, joined by dots, each beginning with a letter and ending in a letter or digit; at most ${maximumLength} characters.`
  return [problem('INVALID_VALUE', { message }, 'hostname')]
}

export function renderHostname(
  template: string,
  names: { readonly instance: string; readonly zone: string; readonly project: string },
): string {
  return template
    .replaceAll('[INSTANCE_NAME]', names.instance)
    .replaceAll('[ZONE]', names.zone)
    .replaceAll('[PROJECT_ID]', names.project)
}

/** What follows the first label; empty where there is one label only. */
export const domainOf = (hostname: string): string => hostname.split('.').slice(1).join('.')
