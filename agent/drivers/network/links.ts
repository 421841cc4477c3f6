import { Type } from 'typebox'
import { Value } from 'typebox/value'
import type { Exec } from '../../host/ports.ts'

/** A network interface as `ip` shows it. */
export interface Link {
  readonly name: string
  readonly mtu: number
  readonly isUp: boolean
  readonly macAddress: string
  readonly bridge: string | undefined
  readonly isIsolated: boolean
  readonly kind: string | undefined
  /** How what leaves by it waits: noqueue, tbf, … */
  readonly queueing: string | undefined
  /** Of a VLAN: what it is on, and its number. */
  readonly lower: string | undefined
  readonly vlanId: number | undefined
  /** A number, or the name of a user that the host knows; undefined where anybody privileged may open it. */
  readonly tapOwner: number | string | undefined
  /** Of a tap: whoever opens it must want the same. */
  readonly isMultiQueue: boolean
}

const linkSchema = Type.Array(
  Type.Object({
    ifname: Type.String(),
    mtu: Type.Number(),
    flags: Type.Array(Type.String()),
    address: Type.Optional(Type.String()),
    master: Type.Optional(Type.String()),
    qdisc: Type.Optional(Type.String()),
    link: Type.Optional(Type.Union([Type.String(), Type.Null()])),
    linkinfo: Type.Optional(
      Type.Object({
        info_kind: Type.Optional(Type.String()),
        info_data: Type.Optional(
          Type.Object({
            user: Type.Optional(Type.Union([Type.Number(), Type.String()])),
            id: Type.Optional(Type.Unknown()),
            multi_queue: Type.Optional(Type.Boolean()),
          }),
        ),
        info_slave_data: Type.Optional(Type.Object({ isolated: Type.Optional(Type.Boolean()) })),
      }),
    ),
  }),
)

/** All links of the host, or of a namespace, by name. */
export async function readLinks(exec: Exec, namespace?: string): Promise<ReadonlyMap<string, Link>> {
  const { stdout } = await exec.run('ip', [...inNamespace(namespace), '-j', '-d', 'link', 'show'])
  return new Map(parseLinks(JSON.parse(stdout)).map((link) => [link.name, link]))
}

export function parseLinks(shown: unknown): Link[] {
  return Value.Parse(linkSchema, shown).map((link) => ({
    name: link.ifname,
    mtu: link.mtu,
    isUp: link.flags.includes('UP'),
    macAddress: link.address ?? '',
    bridge: link.master,
    isIsolated: link.linkinfo?.info_slave_data?.isolated ?? false,
    kind: link.linkinfo?.info_kind,
    queueing: link.qdisc,
    lower: link.link ?? undefined,
    vlanId: vlanIdOf(link.linkinfo),
    tapOwner: link.linkinfo?.info_data?.user,
    isMultiQueue: link.linkinfo?.info_data?.multi_queue ?? false,
  }))
}

/** Other kinds of link have something else under this name. */
const vlanIdOf = (info?: { info_kind?: string; info_data?: { id?: unknown } }) =>
  info?.info_kind === 'vlan' ? Number(info.info_data?.id) : undefined

const addressSchema = Type.Array(
  Type.Object({
    ifname: Type.Optional(Type.String()),
    addr_info: Type.Array(
      Type.Object({
        family: Type.String(),
        // Another end's, of some kinds of link.
        local: Type.Optional(Type.String()),
        prefixlen: Type.Number(),
      }),
    ),
  }),
)

/** Addresses of an interface with their prefix lengths, such as 10.0.0.2/24, link-local ones among them. */
export async function readAddresses(
  exec: Exec,
  namespace: string | undefined,
  link: string,
): Promise<string[]> {
  const { stdout } = await exec.run('ip', [...inNamespace(namespace), '-j', 'address', 'show', 'dev', link])
  return Value.Parse(addressSchema, JSON.parse(stdout))
    .flatMap((shown) => shown.addr_info)
    .map((address) => `${address.local}/${address.prefixlen}`)
}

/** All addresses of the host but those of one interface. */
export async function readAllAddresses(exec: Exec, except: string): Promise<string[]> {
  const { stdout } = await exec.run('ip', ['-j', 'address', 'show'])
  return Value.Parse(addressSchema, JSON.parse(stdout))
    .filter(({ ifname }) => ifname !== except)
    .flatMap((shown) => shown.addr_info.flatMap(({ local }) => local ?? []))
}

/**
 * Somebody else may have done it since we looked: a failed change counts only if what it was to bring about isn't
 * there afterwards.
 */
export async function changeLinks(
  change: () => Promise<unknown>,
  isDone: () => Promise<boolean>,
): Promise<void> {
  try {
    await change()
  } catch (thrown) {
    if (!(await isDone())) throw thrown
  }
}

export async function removeLink(exec: Exec, name: string): Promise<void> {
  await changeLinks(
    () => exec.run('ip', ['link', 'delete', 'dev', name]),
    async () => !(await readLinks(exec)).has(name),
  )
}

/** Host ends of guest networks have no address of their own, not even a link-local one. */
export async function disableIpv6(exec: Exec, link: string): Promise<void> {
  // -e: a kernel without IPv6 has no such setting and needs none.
  await exec.run('sysctl', ['-q', '-e', '-w', `net.ipv6.conf.${link}.disable_ipv6=1`])
}

const inNamespace = (namespace: string | undefined) => (namespace === undefined ? [] : ['-n', namespace])
