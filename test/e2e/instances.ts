import { instancePath, type Region, waitUntil } from './region.ts'

export interface InstanceBody {
  readonly id: string
  readonly uid: string
  readonly hostname: string
  readonly lifecycle: {
    readonly status: string
    readonly statusMessage: string
    readonly reason: string
    readonly operationId: string
  }
  readonly nics: readonly {
    readonly ipv4Address: string
    readonly ipv6Address?: string
    readonly macAddress: string
  }[]
  readonly error?: { readonly message: string; readonly details: readonly { readonly field?: string }[] }
}

export async function createInstance(region: Region, body: object): Promise<InstanceBody> {
  const answer = await region.call<InstanceBody>('POST', instancePath(), { type: 'g1-small', ...body })
  if (answer.status !== 202) throw new Error(`${answer.status} ${JSON.stringify(answer.body)}`)
  return answer.body
}

export async function waitForStatus(region: Region, id: string, status: string): Promise<InstanceBody> {
  let last: InstanceBody | undefined
  await waitUntil(`instance ${id} is ${status}`, async () => {
    last = (await region.call<InstanceBody>('GET', instancePath(id))).body
    if (last.lifecycle.status === 'FAILED' && status !== 'FAILED') {
      throw new Error(`${id} failed: ${last.lifecycle.statusMessage}`)
    }
    return last.lifecycle.status === status
  })
  if (!last) throw new Error('never asked')
  return last
}

/** A verb through the API, until its operation is over. */
export async function carryOutVerb(
  region: Region,
  id: string,
  verb: string,
  body: object = {},
): Promise<InstanceBody> {
  const { status, body: accepted } = await region.call<InstanceBody>(
    'POST',
    `${instancePath(id)}:${verb}`,
    body,
  )
  if (status !== 202) throw new Error(`${verb} ${id} answered ${status} ${JSON.stringify(accepted)}`)
  const path = `${instancePath().replace(/instances$/, 'operations')}/${accepted.lifecycle.operationId}`
  await waitUntil(`the operation ${verb} of ${id} is over`, async () => {
    const { body } = await region.call<{ status: string; error?: { message: string } }>('GET', path)
    if (body.error) throw new Error(`${verb} ${id}: ${body.error.message}`)
    return body.status === 'DONE'
  })
  return (await region.call<InstanceBody>('GET', instancePath(id))).body
}

export async function deleteInstance(region: Region, id: string): Promise<void> {
  const { status } = await region.call('DELETE', instancePath(id))
  if (status !== 202) throw new Error(`DELETE ${id} answered ${status}`)
  await waitUntil(`${id} is gone`, async () => (await region.call('GET', instancePath(id))).status === 404)
}

export async function readSerial(region: Region, id: string): Promise<string> {
  const { body } = await region.call<{ contents: string }>('GET', `${instancePath(id)}/serialPort?start=0`)
  return body.contents
}

export async function waitForSerial(region: Region, id: string, text: string): Promise<string> {
  let contents = ''
  await waitUntil(`the serial output of ${id} has ${JSON.stringify(text)}`, async () => {
    contents = await readSerial(region, id)
    return contents.includes(text)
  })
  return contents
}
