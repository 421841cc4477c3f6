import { resolve } from 'node:path'
import { toJson } from '@bufbuild/protobuf'
import { type HostFacts, HostFactsSchema } from '../../proto/gen/berth/agent/v1/host_pb.ts'
import { diagnoseHost } from '../inventory/doctor.ts'
import { type HostFactsOptions, readHostFacts } from '../inventory/host-facts.ts'
import { recordSysfs, renderRecording } from '../inventory/recording.ts'
import { renderInventory } from './inventory-text.ts'

/** What `berth-agent inventory` prints. */
export async function describeInventory(
  options: HostFactsOptions,
  flags: { readonly json?: boolean; readonly record?: string },
): Promise<string> {
  const { record } = flags
  const facts =
    record === undefined ? await readHostFacts(options) : await recordHost(options, resolve(record))
  if (flags.json) return `${JSON.stringify(toJson(HostFactsSchema, facts), null, 2)}\n`
  return renderInventory(facts, options.settings.accelerators)
}

/** The doctor looks at more, and a recording is for him too. */
async function recordHost(options: HostFactsOptions, path: string): Promise<HostFacts> {
  const recorder = recordSysfs(options.sysfs)
  const { facts } = await diagnoseHost({ ...options, sysfs: recorder.sysfs })
  await options.files.writeAtomic(path, renderRecording(recorder.recording()), { mode: 0o644 })
  return facts
}
