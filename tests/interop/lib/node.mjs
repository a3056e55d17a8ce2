// A Mostro node, as far as solvers and parties of a dispute see one.

import { randomUUID } from 'node:crypto'

import { getPow } from 'nostr-tools/nip13'

import { MESSAGE_LIFE_SECONDS, Refusal, bytes, demand, expiration, getPublicKey, hexToBytes, holds, isEvent, now } from './basics.mjs'
import { disputeEvent, infoEvent, relayListEvent } from './events.mjs'
import { message, verifyRequest } from './message.mjs'
import { DIRECT_KIND, WRAP_KIND, open, seal } from './transport.mjs'

const FRESH_SECONDS = 10
const REPLAY_SECONDS = 60
const LARGEST_EVENT_BYTES = 6_500
const KINDS = { nip44: DIRECT_KIND, 'gift-wrap': WRAP_KIND }
const VERSIONS = { nip44: 2, 'gift-wrap': 1 }
const HOLDABLE = ['initiated', 'in-progress']

/** What only the node knows of an escrow: a solver's program must never keep or show it. */
const SECRETS = { hash: '1a'.repeat(32), preimage: '2b'.repeat(32), buyer_invoice: 'lnbcrt1secretinvoice' }

const DEFAULTS = {
  transport: 'nip44',
  name: 'Interop Node',
  pow: 0,
  pow_first_contact: 0,
  advertise_first_contact: true,
  serbero: null,
  silent: false,
}

export class Node {
  /** Connect, announce and listen. */
  static async start(relays, report, { secret, ...settings }) {
    const node = new Node(relays, report, secret, { ...DEFAULTS, ...settings })
    await node.announce()
    await node.listen()
    return node
  }

  constructor(relays, report, secret, settings) {
    this.relays = relays
    this.report = report
    this.secret = secret
    this.pubkey = getPublicKey(hexToBytes(secret))
    this.settings = settings
    this.solvers = new Map()
    this.disputes = new Map()
    this.replays = new Map()
    this.stamp = 0
  }

  /** Publish what the node says of itself; revisions of one second would hide each other. */
  async announce() {
    this.stamp = Math.max(now(), this.stamp + 1)
    const { advertise_first_contact: told, pow_first_contact: bits, ...rest } = this.settings
    const info = { ...rest, pow_first_contact: told ? Math.max(bits, rest.pow) : null }
    await this.relays.publish(infoEvent(this.secret, this.pubkey, info, this.stamp))
    const urls = this.relays.links.map(relay => relay.url)
    await this.relays.publish(relayListEvent(this.secret, urls, this.stamp))
  }

  /** Live events only, of the transport in use: what came while the node was away is never read. */
  async listen() {
    const filter = { kinds: [KINDS[this.settings.transport]], '#p': [this.pubkey], limit: 0 }
    await this.relays.subscribe('requests', filter, event => this.receive(event))
  }

  async configure(settings) {
    Object.assign(this.settings, settings)
    await this.announce()
    await this.listen()
    return {}
  }

  /** Register a solver: "read" or "write". An existing row never changes. */
  register({ pubkey, category }) {
    if (!this.solvers.has(pubkey)) this.solvers.set(pubkey, category)
    return { category: this.solvers.get(pubkey) }
  }

  /** A party opened a dispute. */
  async dispute({ buyer, seller, initiator = 'buyer' }) {
    const at = now()
    const dispute = { id: randomUUID(), order: randomUUID(), buyer, seller, initiator, status: '', solver: null, opened_at: at, stamp: 0 }
    this.disputes.set(dispute.id, dispute)
    await this.revise(dispute, 'initiated')
    return { dispute: dispute.id, order: dispute.order }
  }

  /** The dispute ends, or another way of its status that needs no request. */
  async resolve({ dispute, status }) {
    await this.revise(this.disputes.get(dispute), status)
    return {}
  }

  /** Another solver takes the dispute, unseen by whoever holds it, some seconds after them. */
  async take_over({ dispute, solver, seconds_later = 0 }) {
    const held = this.disputes.get(dispute)
    await this.tookParties(held, solver, null)
    held.solver = solver
    held.stamp += seconds_later
    await this.revise(held, 'in-progress')
    return {}
  }

  async revise(dispute, status) {
    dispute.status = status
    await this.publishRevision(this.stamped(dispute))
  }

  stamped(dispute) {
    dispute.stamp = Math.max(now(), dispute.stamp + 1)
    return disputeEvent(this.secret, { ...dispute, name: this.settings.name }, dispute.stamp)
  }

  async publishRevision(event) {
    await this.relays.publish(event)
  }

  /** The accept path of the node, in its order; every drop is silent on the network. */
  async receive(event) {
    try {
      const opened = this.accept(event)
      this.report('request', this.facts(event, opened))
      await this.answer(opened)
    } catch (error) {
      if (!(error instanceof Refusal)) return this.report('error', { what: error.stack })
      this.report('refused', { reason: error.reason, detail: error.detail, event: event.id })
    }
    return undefined
  }

  accept(event) {
    const at = now()
    const { pow, pow_first_contact: first, transport } = this.settings
    demand(isEvent(event), 'event-signature')
    demand(bytes(JSON.stringify(event)).length <= LARGEST_EVENT_BYTES, 'size')
    const bits = getPow(event.id)
    demand(bits >= pow, 'pow', String(bits))
    demand(event.kind === KINDS[transport], 'kind')
    demand(holds(event), 'event-signature')
    if (transport === 'nip44') {
      demand(at - (this.replays.get(event.id) ?? -Infinity) > REPLAY_SECONDS, 'replay')
      this.replays.set(event.id, at)
      demand(bits >= first, 'pow-first-contact', String(bits))
    }
    const opened = open(event, this.secret, { at })
    demand(opened.created_at >= at - FRESH_SECONDS, 'freshness', `${at - opened.created_at} s`)
    demand(opened.created_at <= at + FRESH_SECONDS, 'freshness', 'from the future')
    verifyRequest(opened.message)
    return opened
  }

  /** What a test wants to know of a request beyond that it was acceptable. */
  facts(event, { message: asked, ...opened }) {
    const nonce = event.tags.filter(tag => tag[0] === 'nonce')
    const { version, request_id, trade_index, wrapper, action, id, payload } = asked
    return {
      ...opened,
      asked: { wrapper, version, request_id, trade_index, action, id, payload },
      event: event.id,
      kind: event.kind,
      bits: getPow(event.id),
      committed: nonce.length === 1 ? Number(nonce[0][2]) : null,
      tags: event.tags.map(tag => tag[0]),
      outer_created_at: event.created_at,
      expiration: expiration(event),
    }
  }

  async answer(opened) {
    if (this.settings.silent) return
    if (opened.message.action !== 'admin-take-dispute') {
      await this.refuse(opened, 'not_authorized')
      return
    }
    const dispute = this.disputes.get(opened.message.id)
    demand(dispute !== undefined, 'unknown-dispute')
    if (this.mayTake(dispute, opened.identity)) await this.take(dispute, opened)
    else await this.refuse(opened, 'invalid_pubkey')
  }

  mayTake(dispute, caller) {
    const master = caller === this.pubkey
    if (!HOLDABLE.includes(dispute.status) || !(master || this.solvers.has(caller))) return false
    if (dispute.status === 'initiated' || master || dispute.solver === caller) return true
    return this.solvers.get(dispute.solver) === 'read' && this.solvers.get(caller) === 'write'
  }

  /** The side effects of a take in the node's order: the reply precedes the public revision. */
  async take(dispute, { message: asked, identity }) {
    dispute.status = 'in-progress'
    dispute.solver = identity
    const revision = this.stamped(dispute)
    const payload = { dispute: [dispute.id, this.context(dispute)] }
    await this.send(identity, 'dispute', { request_id: asked.request_id, id: dispute.id, action: 'admin-took-dispute', payload })
    await this.tookParties(dispute, identity, asked.request_id)
    await this.publishRevision(revision)
    this.report('took', { dispute: dispute.id, solver: identity })
  }

  async tookParties(dispute, solver, request_id) {
    const payload = { peer: { pubkey: solver, reputation: null } }
    for (const party of [dispute.buyer, dispute.seller]) {
      await this.send(party, 'order', { request_id, id: dispute.order, action: 'admin-took-dispute', payload })
    }
  }

  /** What a solver is told of a dispute, secrets included. */
  context({ order, buyer, seller, initiator, opened_at }) {
    return {
      id: order, kind: 'sell', status: 'dispute', hash: SECRETS.hash, preimage: SECRETS.preimage,
      order_previous_status: 'fiat-sent', initiator_pubkey: initiator === 'buyer' ? buyer : seller,
      buyer_pubkey: buyer, seller_pubkey: seller, initiator_full_privacy: false, counterpart_full_privacy: true,
      initiator_info: { rating: 4.5, reviews: 7, operating_days: 92 }, counterpart_info: null, premium: 1,
      payment_method: 'SEPA, José', amount: 50_000, fiat_amount: 25, fee: 300, routing_fee: 0,
      buyer_invoice: SECRETS.buyer_invoice, invoice_held_at: opened_at - 600, taken_at: opened_at - 900,
      created_at: opened_at - 3_600,
    }
  }

  /** Refusals go to the key that wrote the request, not to the identity. */
  async refuse({ message: asked, sender }, reason) {
    const { request_id, id } = asked
    await this.send(sender, 'cant-do', { request_id, id, action: 'cant-do', payload: { cant_do: reason } })
    this.report('cant-do', { reason, to: sender })
  }

  /** Send any message of the node; also at a test's command. */
  async send(receiver, wrapper, fields) {
    const { transport } = this.settings
    const at = now()
    const options = { secret: this.secret, receiver, created_at: at, expires_at: transport === 'nip44' ? at + MESSAGE_LIFE_SECONDS : null }
    await this.relays.publish(seal(transport, message(wrapper, { version: VERSIONS[transport], ...fields }), options))
  }

  async notice({ to, wrapper = 'dispute', ...fields }) {
    await this.send(to, wrapper, fields)
    return {}
  }
}
