// The node's public events: information (38385), disputes (38386), relay list (10002).

import { demand, expiration, getEventHash, holds, isEvent, isHexKey, onlyTag, signEvent } from './basics.mjs'
import { isUuid } from './message.mjs'

export const INFO_KIND = 38_385
export const DISPUTE_KIND = 38_386
export const RELAY_LIST_KIND = 10_002
const DISPUTE_LIFE_SECONDS = 90 * 86_400
const VERSIONS = { nip44: '2', 'gift-wrap': '1' }
const TRANSPORTS = { 1: 'gift-wrap', 2: 'nip44' }
const TERMINAL = ['settled', 'seller-refunded', 'released', 'cooperatively-canceled']
const STATUSES = ['initiated', 'in-progress', ...TERMINAL]
const POSITIVE = /^[1-9][0-9]{0,14}$/
const WHOLE = /^[0-9]{1,3}$/

/** First values of a node's tags, by name. */
const firstTags = event => Object.fromEntries([...event.tags].reverse().map(tag => [tag[0], tag[1] ?? null]))

/** What a node says about itself; `pow_first_contact` null leaves the tag out. */
export function infoEvent(secret, pubkey, { transport, pow, pow_first_contact, name, serbero = null }, at) {
  const tags = [
    ['d', pubkey], ['mostro_version', '0.18.5'], ['mostro_commit_hash', '0'.repeat(40)],
    ['max_order_amount', '1000000'], ['min_order_amount', '100'], ['expiration_hours', '24'],
    ['expiration_seconds', '900'], ['fiat_currencies_accepted', ''], ['max_orders_per_response', '10'],
    ['fee', '0.006'], ['pow', String(pow)], ['protocol_version', VERSIONS[transport]],
    ['hold_invoice_cltv_delta', '144'], ['bond_enabled', 'false'], ['lnd_networks', 'regtest'],
    ['y', 'mostro', name], ['z', 'info'],
  ]
  if (pow_first_contact !== null) tags.push(['pow_first_contact', String(pow_first_contact)])
  if (serbero !== null) tags.push(['serbero', serbero])
  return signEvent({ kind: INFO_KIND, created_at: at, tags, content: '' }, secret)
}

export function relayListEvent(secret, urls, at) {
  return signEvent({ kind: RELAY_LIST_KIND, created_at: at, tags: urls.map(url => ['r', url]), content: '' }, secret)
}

/** One revision of a dispute. */
export function disputeEvent(secret, { id, status, initiator, opened_at, name }, at) {
  const tags = [
    ['d', id], ['expiration', String(at + DISPUTE_LIFE_SECONDS)], ['s', status], ['initiator', initiator],
    ['created_at', String(opened_at)], ['y', 'mostro', name], ['z', 'dispute'],
  ]
  return signEvent({ kind: DISPUTE_KIND, created_at: at, tags, content: '' }, secret)
}

/** Read a node's information. Throws Refusal named by the check. */
export function readInfo(event, node) {
  demand(isEvent(event) && event.kind === INFO_KIND, 'kind')
  demand(event.pubkey === node, 'author')
  demand(holds(event), 'signature')
  const tags = firstTags(event)
  demand(tags.d === node, 'd')
  const work = value => (typeof value === 'string' && WHOLE.test(value) ? Number(value) : null)
  const instance = event.tags.find(tag => tag[0] === 'y' && tag[1] === 'mostro')?.[2]?.trim()
  return {
    transport: tags.protocol_version === undefined ? 'gift-wrap' : (TRANSPORTS[tags.protocol_version] ?? null),
    pow: work(tags.pow),
    pow_first_contact: work(tags.pow_first_contact),
    bond_enabled: tags.bond_enabled === undefined ? null : tags.bond_enabled === 'true',
    serbero: isHexKey(tags.serbero) ? tags.serbero : null,
    name: instance || null,
  }
}

/** Read a revision of a dispute. Throws Refusal named by the check. */
export function readDispute(event, node, at) {
  demand(event.kind === DISPUTE_KIND, 'kind')
  demand(event.pubkey === node, 'author')
  demand(isEvent(event) && getEventHash(event) === event.id, 'id')
  demand(holds(event), 'signature')
  const until = expiration(event)
  demand(until === null || until > at, 'expired')
  demand(onlyTag(event, 'z') === 'dispute', 'z')
  const tags = firstTags(event)
  demand(typeof tags.d === 'string', 'd-missing')
  demand(isUuid(tags.d), 'd-not-a-uuid')
  demand(typeof tags.s === 'string', 'status-missing')
  demand(STATUSES.includes(tags.s), 'status-unknown', tags.s)
  const opened = tags.created_at ?? tags.published_at ?? ''
  return {
    dispute_id: tags.d.toLowerCase(),
    status: tags.s,
    initiator: tags.initiator ?? null,
    opened_at: POSITIVE.test(opened) ? Number(opened) : null,
    revision_at: event.created_at,
    terminal: TERMINAL.includes(tags.s),
  }
}

/** Whether revision `next` replaces `held`: later, or in the same second further on. */
export function supersedes(next, held) {
  const rank = ({ status, terminal }) => (terminal ? 2 : Number(status === 'in-progress'))
  if (next.revision_at !== held.revision_at) return next.revision_at > held.revision_at
  return rank(next) > rank(held)
}
