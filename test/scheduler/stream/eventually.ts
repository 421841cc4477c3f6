/** Polls until it is so; the limit ends a broken test and measures nothing. */
export async function eventually(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = Date.now() + 20_000
  while (!(await isSo())) {
    if (Date.now() > endMs) throw new Error(`It never came to be that ${what}.`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
