import { hash } from 'node:crypto'

/** Equal for requests that ask for the same, whatever the order of their keys. */
export function hashRequest(request: { method: string; path: string; body: unknown }): string {
  const text = JSON.stringify([request.method, request.path, canonical(request.body)])
  return hash('sha256', text)
}

function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical)
  if (typeof value !== 'object' || value === null) return value
  const sorted = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return sorted.map(([key, child]) => [key, canonical(child)])
}
