import { describe, expect, it } from 'vitest'
import { findDomainProblem, renderDomain } from '../../../agent/plan/domain-xml.ts'
import { expectGolden } from '../../support/golden.ts'
import { domainPlanOf, writtenDomains } from './domain-machines.ts'
import { manyDisks } from './guest-machines.ts'

describe('the domain of a guest', () => {
  it.each(writtenDomains)('is the one that is written down: $name', (written) => {
    expectGolden(`domain-${written.name}.xml`, renderDomain(domainPlanOf(written)))
  })

  it('keeps what people have written within its value', () => {
    const commandLine = `a="<b>&'c'" \n</cmdline><on_crash>restart</on_crash>`
    const [written] = writtenDomains
    if (!written) throw new Error('No domain is written down.')
    const plan = domainPlanOf(written)
    const files = { kernelPath: '/k', initrdPath: '/i' }
    const xml = (line: string) =>
      renderDomain({ ...plan, machine: { ...plan.machine, directKernel: { ...files, commandLine: line } } })
    expect(xml(commandLine)).toContain(
      '<cmdline>a=&quot;&lt;b&gt;&amp;&apos;c&apos;&quot; &#10;&lt;/cmdline&gt;&lt;on_crash&gt;restart&lt;/on_crash&gt;</cmdline>',
    )
    expect(() => xml('a\u0000b')).toThrow('control character')
  })

  it('is not made of an NVMe disk', () => {
    const { machine } = domainPlanOf({ name: '', spec: manyDisks, accelerator: 'kvm' })
    expect(findDomainProblem(machine)).toContain('disk1 is to be an NVMe disk')
    for (const written of writtenDomains)
      expect(findDomainProblem(domainPlanOf(written).machine)).toBeUndefined()
  })
})
