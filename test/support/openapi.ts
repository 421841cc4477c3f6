// Holds answers of the API against its own document: what it serves at /openapi.json is what it does.
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import formats from 'ajv-formats'

export interface OpenapiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, OpenapiOperation>>>>
}

export interface OpenapiOperation {
  readonly operationId: string
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly required?: boolean }[]
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: object }>> }
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema: object }>> }>
  >
}

export interface AnswerToCheck {
  readonly method: string
  readonly path: string
  readonly status: number
  readonly contentType: string
  readonly body: unknown
}

const pciAddress = '[0-9a-f]+:[0-9a-f]+:[0-9a-f]+[.][0-7]'

/** Throws where an answer is not what the document says of its route. Paths that it does not have are nobody's. */
export function createAnswerChecker(document: OpenapiDocument): (answer: AnswerToCheck) => void {
  const ajv = new Ajv2020({ strict: false, allErrors: true })
  formats.default(ajv)
  ajv.addSchema(document, 'document')
  const patterns = Object.keys(document.paths).map((template) => ({
    template,
    // Verbs follow a colon, and an id has none, but for the address of a device.
    pattern: new RegExp(
      `^${template.replace('/devices/{id}', `/devices/(${pciAddress}|[^/:]+)`).replaceAll(/\{\w+\}/g, '[^/:]+')}$`,
    ),
  }))
  const validators = new Map<string, ValidateFunction>()

  return ({ method, path, status, contentType, body }) => {
    const { pathname } = new URL(path, 'http://localhost')
    const template = patterns.find(({ pattern }) => pattern.test(pathname))?.template
    const operation = template === undefined ? undefined : document.paths[template]?.[method.toLowerCase()]
    if (template === undefined || operation === undefined) return
    const code = [String(status), `${String(status).charAt(0)}XX`].find((one) => one in operation.responses)
    if (code === undefined)
      throw new Error(`${method} ${template} answered ${status}, which is not documented.`)
    if (status === 204 && code in operation.responses && body === '') return
    const media = contentType.split(';', 1)[0] ?? ''
    if (operation.responses[code]?.content?.[media] === undefined) {
      throw new Error(`${method} ${template} answered ${status} as ${media}, which is not documented.`)
    }
    if (media !== 'application/json') return
    const pointer = ['paths', template, method.toLowerCase(), 'responses', code, 'content', media, 'schema']
    const $ref = `document#/${pointer.map((part) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/')}`
    const validate = validators.get($ref) ?? ajv.compile({ $ref })
    validators.set($ref, validate)
    if (!validate(body)) {
      throw new Error(`${method} ${template} answered ${status} with ${ajv.errorsText(validate.errors)}.`)
    }
  }
}
