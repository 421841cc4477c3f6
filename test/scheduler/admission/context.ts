import { join } from 'node:path'
import { instanceUid } from '../../../proto/ids.ts'
import type { AdmissionContext } from '../../../scheduler/admission/resolution.ts'
import { declaredCatalogue } from '../../../scheduler/catalogue/declared.ts'
import { readSettings } from '../../../scheduler/config.ts'

export const settingsFile = join(import.meta.dirname, '../../fixtures/scheduler.yaml')

/** The example region, as project-x9y8z7 sees it. */
export function exampleContext(): AdmissionContext {
  const catalogue = declaredCatalogue(readSettings(settingsFile))
  const project = catalogue.projects.find(({ id }) => id === 'project-x9y8z7')
  if (project === undefined) throw new Error('The example region has no project.')
  return {
    catalogue,
    project,
    serverHost: 'api.example.net:8080',
    identity: {
      uid: instanceUid('0192f0c1-2222-7000-8000-000000000001'),
      generatedId: 'instance-d4e5f6',
      createdAt: '2026-11-01T00:00:00.000Z',
      macAddresses: Array.from({ length: 8 }, (_, index) => `02:be:80:00:00:0${index}`),
    },
  }
}

export const exampleType = '/v1/regions/us-texas-1/zones/us1-a/instance-types/g1-xlarge'
export const exampleImage = '/v1/regions/us-texas-1/compute/images/ubuntu-24.04-20260202-3'
export const exampleKey = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJeaD1heScpzmiypsUSb0T3lkmg2d/onGkPviaZ2Rtgc'
