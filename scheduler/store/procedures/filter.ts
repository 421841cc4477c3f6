import type { Expression, ExpressionBuilder, SqlBool } from 'kysely'
import type { Filter } from '../../model/filter.ts'
import type { Tables } from '../tables.ts'

type Where = ExpressionBuilder<Tables, 'instances'>
type Compare = Extract<Filter, { kind: 'compare' }>

/** A filter as a condition on instances. Whatever a user wrote travels as a parameter. */
export function whereFilter(where: Where, filter: Filter): Expression<SqlBool> {
  switch (filter.kind) {
    case 'and':
      return where.and(filter.parts.map((part) => whereFilter(where, part)))
    case 'or':
      return where.or(filter.parts.map((part) => whereFilter(where, part)))
    case 'not':
      return where.not(whereFilter(where, filter.part))
    case 'has':
      return hasAttribute(where, filter.field, undefined)
    case 'compare':
      return whereCompare(where, filter)
  }
}

function whereCompare(where: Where, { field, by, value }: Compare): Expression<SqlBool> {
  if (field.kind === 'time') {
    return where(field.name === 'createdAt' ? 'created_at_ms' : 'updated_at_ms', by, Number(value))
  }
  const isEqual =
    field.kind === 'text' && (field.name === 'id' || field.name === 'status')
      ? matches(where, field.name, value)
      : hasAttribute(where, field, value)
  return by === '=' ? isEqual : where.not(isEqual)
}

function matches(where: Where, column: 'id' | 'status', value: string): Expression<SqlBool> {
  if (!value.endsWith('*')) return where(column, '=', value)
  const start = value.slice(0, -1)
  return where.and([where(column, '>=', start), where(column, '<', afterAll(start))])
}

function hasAttribute(
  where: Where,
  field: Extract<Filter, { kind: 'has' }>['field'],
  value: string | undefined,
): Expression<SqlBool> {
  if (field.kind === 'time' || (field.kind === 'text' && (field.name === 'id' || field.name === 'status'))) {
    return where.lit(true)
  }
  const name = field.kind === 'label' ? `labels.${field.key}` : field.name
  let found = where
    .selectFrom('attributes')
    .select('attributes.value')
    .whereRef('attributes.instance_uid', '=', 'instances.uid')
    .where('attributes.name', '=', name)
  if (value?.endsWith('*')) {
    const start = value.slice(0, -1)
    found = found.where('attributes.value', '>=', start).where('attributes.value', '<', afterAll(start))
  } else if (value !== undefined) found = found.where('attributes.value', '=', value)
  return where.exists(found)
}

/** After every text that starts so, in the order of bytes. */
const afterAll = (start: string) => `${start}\u{10ffff}`
