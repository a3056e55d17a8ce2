// A party of a dispute: hears from the node who mediates, and chats with that key.

import { Refusal, demand, getPublicKey, hexToBytes, isHexKey, now } from './basics.mjs'
import { CHAT_KIND, Channel, LEGACY_KIND, channelKeys, innerMessage, wrapDirect, wrapLegacy } from './chat.mjs'
import { DIRECT_KIND, WRAP_KIND, openFromNode } from './transport.mjs'

const LOOKBACK_SECONDS = 7 * 86_400
const FIRST_LIMIT = 100
const WRAPPERS = { kind14: wrapDirect, 'gift-wrap': wrapLegacy }

export class Party {
  /** Listen for the node, on either transport; with `solver` the chat is open from the start. */
  static async start(relays, report, { secret, node = null, solver = null }) {
    const party = new Party(relays, report, secret, node)
    if (node !== null) await party.listen()
    if (solver !== null) await party.meet(solver)
    return party
  }

  constructor(relays, report, secret, node) {
    this.relays = relays
    this.report = report
    this.secret = secret
    this.pubkey = getPublicKey(hexToBytes(secret))
    this.node = node
    this.solver = null
    this.channel = null
  }

  async listen() {
    const heard = event => this.#guard('node', event, () => this.hearNode(event))
    await this.relays.subscribe('node', { kinds: [DIRECT_KIND], authors: [this.node], '#p': [this.pubkey] }, heard)
    await this.relays.subscribe('wrapped', { kinds: [WRAP_KIND], '#p': [this.pubkey] }, heard)
  }

  /** Refusals and faults become reports, never an end of the process. */
  async #guard(where, event, work) {
    try {
      await work()
    } catch (error) {
      if (!(error instanceof Refusal)) this.report('error', { what: error.stack })
      else this.report('refused', { where, reason: error.reason, detail: error.detail, event: event.id })
    }
  }

  async hearNode(event) {
    const { message, transport } = openFromNode(event, this.secret, this.node, { at: now() })
    const { action, id, request_id, payload, version } = message
    if (action === 'admin-took-dispute') {
      const solver = payload?.peer?.pubkey
      demand(isHexKey(solver), 'message', 'no solver named')
      await this.meet(solver)
    }
    this.report('notice', { action, id, request_id, payload, version, transport })
  }

  /** Open the chat with a solver; a later one replaces it. */
  async meet(solver) {
    if (solver === this.solver) return
    this.solver = solver
    const channel = new Channel(channelKeys(this.secret, solver), [this.pubkey, solver])
    this.channel = channel
    const since = now() - LOOKBACK_SECONDS
    const direct = { kinds: [CHAT_KIND], authors: [channel.keys.signing.pubkey], since, limit: FIRST_LIMIT }
    const wrapped = { kinds: [LEGACY_KIND], '#p': [channel.keys.legacy.pubkey], since, limit: FIRST_LIMIT }
    await this.relays.subscribe('chat', direct, event => this.hear('kind14', event, () => channel.openDirect(event, now())))
    await this.relays.subscribe('legacy', wrapped, event => this.hear('gift-wrap', event, () => channel.openLegacy(event, now())))
  }

  hear(where, event, open) {
    return this.#guard(where, event, () => {
      const { tags, outer_tags: outer, ...heard } = open()
      if (heard.author === this.pubkey) return
      this.report('heard', { ...heard, marked: tags.some(tag => tag[0] === 'u'), outer_tags: outer.map(tag => tag[0]) })
    })
  }

  /** Write to the solver, in one envelope or the same signed message in both. */
  async say({ text, envelopes = ['kind14'] }) {
    demand(this.channel !== null, 'nobody', 'no solver yet')
    const inner = innerMessage(this.secret, text, now())
    for (const name of envelopes) await this.relays.publish(WRAPPERS[name](this.channel.keys, inner))
    this.report('said', { inner_id: inner.id, text, envelopes })
    return { inner_id: inner.id, created_at: inner.created_at }
  }
}
