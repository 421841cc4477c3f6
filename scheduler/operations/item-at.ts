/** For an index that is known to be one of the list. */
export function itemAt<Item>(items: readonly Item[], at: number): Item {
  const item = items[at]
  if (item === undefined) throw new Error(`There is nothing at ${at}: the list has ${items.length}.`)
  return item
}
