const steps = ['', 'K', 'M', 'G', 'T', 'P']

/** 17179869184n → 16G: the largest unit that leaves nothing over. */
export function renderBytes(bytes: bigint): string {
  let rest = bytes
  let step = 0
  while (rest >= 1024n && rest % 1024n === 0n && step < steps.length - 1) {
    rest /= 1024n
    step += 1
  }
  return `${rest}${steps[step]}`
}

const mibPerGib = 1024

export const renderGib = (mebibytes: bigint | number): string =>
  `${Math.round((Number(mebibytes) / mibPerGib) * 10) / 10} GiB`
