import { attributesOf } from '../model/attributes.ts'
import type { Comparison, Filter } from '../model/filter.ts'
import type { InstanceRecord } from '../model/instance.ts'

type Filtered = Pick<InstanceRecord, 'id' | 'status' | 'createdAtMs' | 'updatedAtMs' | 'details'>

/** What the store looks for in a list, asked of one instance: for who watches. */
export function matchesFilter(instance: Filtered, filter: Filter): boolean {
  switch (filter.kind) {
    case 'and':
      return filter.parts.every((part) => matchesFilter(instance, part))
    case 'or':
      return filter.parts.some((part) => matchesFilter(instance, part))
    case 'not':
      return !matchesFilter(instance, filter.part)
    case 'has':
      return valuesOf(instance, filter.field).length > 0
    case 'compare': {
      const { field, by, value } = filter
      if (field.kind === 'time') return compare(instance[`${field.name}Ms`], by, Number(value))
      const isEqual = valuesOf(instance, field).some((one) =>
        value.endsWith('*') ? one.startsWith(value.slice(0, -1)) : one === value,
      )
      return (by === '=') === isEqual
    }
  }
}

type Field = Extract<Filter, { kind: 'has' }>['field']

function valuesOf(instance: Filtered, field: Field): readonly string[] {
  if (field.kind === 'time') return [String(instance[`${field.name}Ms`])]
  if (field.kind === 'text' && (field.name === 'id' || field.name === 'status')) return [instance[field.name]]
  const wanted = field.kind === 'label' ? `labels.${field.key}` : field.name
  return attributesOf(instance.details).flatMap(([name, value]) => (name === wanted ? [value] : []))
}

function compare(left: number, by: Comparison, right: number): boolean {
  switch (by) {
    case '=':
      return left === right
    case '!=':
      return left !== right
    case '<':
      return left < right
    case '<=':
      return left <= right
    case '>':
      return left > right
    case '>=':
      return left >= right
  }
}
