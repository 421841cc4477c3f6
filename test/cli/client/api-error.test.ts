import { describe, expect, it } from 'vitest'
import { apiErrorOf } from '../../../cli/client/api-error.ts'

const answer = (...details: { reason: string; field?: string; message?: string }[]) => ({
  error: { message: 'No.', details },
})

describe('an error of the API', () => {
  it.each([
    [400, 'WRONG_TYPE', 2],
    [401, 'UNAUTHENTICATED', 3],
    [403, 'ROLE_MISSING', 3],
    [404, 'NOT_FOUND', 4],
    [409, 'POOL_CAPACITY_EXCEEDED', 5],
    [412, 'REVISION_MISMATCH', 5],
    [422, 'CAN_NEVER_FIT', 5],
    [422, 'REFERENCE_NOT_FOUND', 2],
    [429, 'TOO_MANY', 1],
    [500, 'INTERNAL', 1],
  ])('%i %s ends the program with %i', (status, reason, exitCode) => {
    expect(apiErrorOf(status, answer({ reason })).exitCode).toBe(exitCode)
  })

  it('says nothing twice', () => {
    const { message, lines } = apiErrorOf(409, answer({ reason: 'NAME_TAKEN', field: 'id', message: 'No.' }))
    expect([message, ...lines]).toEqual(['No.', 'field: id'])
  })

  it('can be a page of something that is no Berth server', () => {
    expect(apiErrorOf(502, undefined)).toMatchObject({ message: 'The server answered 502.', lines: [] })
    expect(apiErrorOf(502, { error: 'Bad gateway' }).message).toBe('The server answered 502.')
  })
})
