/** The program of a thread, which lies beside this one: as its source, or bundled as this one is. */
export function programBeside(name: string): URL {
  const ending = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  return new URL(`./${name}.${ending}`, import.meta.url)
}
