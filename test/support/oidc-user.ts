// A person with a browser, as far as the pages of an OpenID Connect provider need one: follows redirects with cookies, and
// sends the forms that it is shown.
export interface Browser {
  /** Opens a page and sends every form on the way, with these values in it. The text of the last page. */
  walk(url: string, values: Readonly<Record<string, string>>): Promise<string>
}

export function createBrowser(): Browser {
  const cookies = new Map<string, string>()

  async function load(url: string, form?: URLSearchParams): Promise<{ url: string; text: string }> {
    const response = await fetch(url, {
      redirect: 'manual',
      headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
      ...(form === undefined ? {} : { method: 'POST', body: form }),
    })
    for (const cookie of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? []
      if (value === '') cookies.delete(name)
      else cookies.set(name, value)
    }
    const location = response.headers.get('location')
    if (location !== null) return load(new URL(location, url).href)
    return { url, text: await response.text() }
  }

  return {
    walk: async (start, values) => {
      let page = await load(start)
      for (let step = 0; step < 8; step += 1) {
        const form = /<form[^>]*action="([^"]+)"[^>]*>([\s\S]*?)<\/form>/i.exec(page.text)
        if (form === null) return page.text
        const [, action = '', inside = ''] = form
        const inputs = [...inside.matchAll(/<input[^>]*>/gi)].map(([input]) => {
          const name = /name="([^"]+)"/.exec(input)?.[1] ?? ''
          return [name, values[name] ?? /value="([^"]*)"/.exec(input)?.[1] ?? ''] as const
        })
        const fields = inputs.filter(([name]) => name !== '')
        // The button that is pressed is sent too.
        const isRefused = values['abort'] !== undefined && page.text.includes('name="abort"')
        const sent = new URLSearchParams(Object.fromEntries(fields))
        if (isRefused) sent.set('abort', 'yes')
        page = await load(new URL(action.replaceAll('&amp;', '&'), page.url).href, sent)
        if (isRefused) return page.text
      }
      throw new Error(`The pages have no end: ${page.text.slice(0, 500)}`)
    },
  }
}
