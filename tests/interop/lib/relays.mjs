// Connections to relays: nostr-tools' own relay client over the `ws` package.

import { AbstractRelay } from 'nostr-tools/abstract-relay'
import WebSocket from 'ws'

const CONNECT_MILLISECONDS = 5_000

/** A role's connections to some relays. */
export class Relays {
  static async connect(urls) {
    const links = urls.map(async url => {
      // Each role verifies what it hears itself, step by step, so that it can name what failed.
      const relay = new AbstractRelay(url, { verifyEvent: () => true, websocketImplementation: WebSocket })
      relay.onnotice = text => process.stderr.write(`notice of ${url}: ${text}\n`)
      await relay.connect({ timeout: CONNECT_MILLISECONDS })
      return relay
    })
    return new Relays(await Promise.all(links))
  }

  constructor(links) {
    this.links = links
    this.open = new Map()
  }

  /** Hear a filter live from every relay, each event once; resolves when stored events are through. */
  async subscribe(name, filter, heard) {
    this.open.get(name)?.forEach(each => each.close())
    const seen = new Set()
    const onevent = event => {
      const mark = `${event.id}${event.sig}`
      if (seen.has(mark)) return
      seen.add(mark)
      heard(event)
    }
    const subscriptions = []
    const ready = this.links.map(
      relay =>
        new Promise((resolve, reject) => {
          const onclose = reason => reject(new Error(`${name} closed by ${relay.url}: ${reason}`))
          subscriptions.push(relay.subscribe([filter], { onevent, oneose: resolve, onclose }))
        }),
    )
    this.open.set(name, subscriptions)
    await Promise.all(ready)
  }

  /** Send to every relay; resolves when all of them took it, throws what one of them said. */
  async publish(event) {
    await Promise.all(this.links.map(relay => relay.publish(event)))
  }

  close() {
    this.links.forEach(relay => relay.close())
  }
}
