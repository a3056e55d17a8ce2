// A human solver: reads private messages (NIP-17) with any client, and Mostro's own `send-dm`.

import { unwrapEvent, wrapEvent } from 'nostr-tools/nip59'

import { MESSAGE_LIFE_SECONDS, Refusal, demand, expiration, getEventHash, getPublicKey, hexToBytes, holds, isEvent, now, onlyTag, orRefuse, signEvent, tagValues } from './basics.mjs'
import { message } from './message.mjs'
import { DIRECT_KIND, WRAP_KIND, open, sealV2 } from './transport.mjs'

const INBOX_KIND = 10_050
const MESSAGE_KIND = 14

export class Solver {
  /** Listen for both; `trusted` are the senders whose Mostro messages are shown. */
  static async start(relays, report, { secret, trusted = [], publish_inbox = false }) {
    const solver = new Solver(relays, report, secret, trusted)
    await solver.listen()
    if (publish_inbox) await solver.publishInbox()
    return solver
  }

  constructor(relays, report, secret, trusted) {
    this.relays = relays
    this.report = report
    this.secret = secret
    this.pubkey = getPublicKey(hexToBytes(secret))
    this.trusted = trusted
  }

  async listen() {
    const privately = event => this.hear('nip17', event, () => this.openPrivate(event))
    await this.relays.subscribe('private', { kinds: [WRAP_KIND], '#p': [this.pubkey] }, privately)
    if (this.trusted.length === 0) return
    const directly = event => this.hear('mostro', event, () => this.openDirect(event))
    await this.relays.subscribe('direct', { kinds: [DIRECT_KIND], authors: this.trusted, '#p': [this.pubkey] }, directly)
  }

  async publishInbox() {
    const tags = this.relays.links.map(relay => ['relay', relay.url])
    await this.relays.publish(signEvent({ kind: INBOX_KIND, created_at: now(), tags, content: '' }, this.secret))
  }

  hear(via, event, read) {
    try {
      this.report('dm', { via, event: event.id, ...read() })
    } catch (error) {
      if (!(error instanceof Refusal)) this.report('error', { what: error.stack })
      else this.report('refused', { where: via, reason: error.reason, detail: error.detail, event: event.id })
    }
  }

  /** NIP-17: the library opens it; what it does not check is checked here. */
  openPrivate(wrap) {
    demand(holds(wrap), 'event-signature')
    demand(onlyTag(wrap, 'p') === this.pubkey, 'receiver')
    const rumor = orRefuse('nip59', () => unwrapEvent(wrap, hexToBytes(this.secret)))
    demand(isEvent(rumor, { signed: false }) && rumor.kind === MESSAGE_KIND, 'rumor')
    demand(rumor.sig === undefined, 'rumor', 'signed')
    demand(rumor.id === getEventHash(rumor), 'rumor', 'id')
    demand(tagValues(rumor, 'p').includes(this.pubkey), 'rumor', 'receiver')
    return {
      sender: rumor.pubkey,
      text: rumor.content,
      rumor_id: rumor.id,
      created_at: rumor.created_at,
      tags: rumor.tags,
      outer_created_at: wrap.created_at,
      expiration: expiration(wrap),
    }
  }

  /** Mostro's `send-dm`: version 2 traffic of one key, nothing signed inside. */
  openDirect(event) {
    const opened = open(event, this.secret, { at: now() })
    const { wrapper, version, request_id, trade_index, id, action, payload } = opened.message
    demand(wrapper === 'dm' && action === 'send-dm', 'message', `${wrapper} ${action}`)
    demand(version === 2 && request_id === null && trade_index === null, 'message', 'fields')
    demand(typeof payload?.text_message === 'string', 'message', 'no text')
    demand(!opened.signed && opened.identity === opened.sender, 'tuple-shape', 'one key needs no signature')
    demand(opened.canonical, 'message', 'not canonical')
    return {
      sender: opened.sender,
      text: payload.text_message,
      dispute: id,
      created_at: event.created_at,
      tags: event.tags,
      expiration: expiration(event),
    }
  }

  /** Write a private message as any client does. */
  async dm({ to, text }) {
    const message = { kind: MESSAGE_KIND, content: text, tags: [['p', to]] }
    const wrap = wrapEvent(message, hexToBytes(this.secret), to)
    await this.relays.publish(wrap)
    this.report('said', { text, event: wrap.id })
    return { event: wrap.id }
  }

  /** The same as Mostro's own clients write it: `send-dm` in version 2 traffic of one key. */
  async send_dm({ to, text }) {
    const said = message('dm', { version: 2, action: 'send-dm', payload: { text_message: text } })
    const created_at = now()
    const expires_at = created_at + MESSAGE_LIFE_SECONDS
    const event = sealV2(said, { secret: this.secret, receiver: to, created_at, expires_at })
    await this.relays.publish(event)
    this.report('said', { text, event: event.id })
    return { event: event.id }
  }
}
