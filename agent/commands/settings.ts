import { readConfigFile } from '../../lib/config.ts'
import { AgentSettings } from '../config.ts'
import type { Files } from '../host/ports.ts'
import type { InventorySettings } from '../inventory/host-facts.ts'

export const defaultSettingsFile = '/etc/berth/agent.yaml'

/** As the agent would have them; a host that has no settings yet is looked at with their defaults. */
export async function readInventorySettings(
  files: Files,
  path: string | undefined,
): Promise<InventorySettings> {
  if (path === undefined && (await files.stat(defaultSettingsFile)) === undefined) {
    return { accelerator: 'auto', qemuProgram: 'qemu-system-x86_64', stateDirectory: '/var/lib/berth' }
  }
  const settings = readConfigFile(AgentSettings, path ?? defaultSettingsFile)
  return { ...settings, stateDirectory: settings.directories.state }
}
