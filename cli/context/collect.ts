/** Of a flag that may be repeated: all its values. */
export const collect = (value: string, earlier: readonly string[] | undefined) => [...(earlier ?? []), value]
