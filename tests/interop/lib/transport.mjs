// Both transports of the protocol: signed kind 14 with NIP-44 (version 2) and gift wrap (version 1).

import * as nip44 from 'nostr-tools/nip44'

import {
  Refusal, backdated, bytesToHex, demand, expiration, generateSecretKey, getEventHash, getPublicKey,
  hexToBytes, holds, isEvent, isHexKey, isSignature, onlyTag, orRefuse, signEvent, signText, textSigned,
} from './basics.mjs'
import { parse, write } from './json.mjs'
import { canonical, ordered, readMessage } from './message.mjs'

export const DIRECT_KIND = 14
export const WRAP_KIND = 1059
const SEAL_KIND = 13
const RUMOR_KIND = 1
const IDENTITY_DOMAIN = 'mostro-transport-v2-identity'

const publicOf = secret => getPublicKey(hexToBytes(secret))

/** NIP-44 version 2 between a secret (hex) and a public key. */
export function encrypt(text, secret, publicKey, nonce) {
  return nip44.v2.encrypt(text, nip44.v2.utils.getConversationKey(hexToBytes(secret), publicKey), nonce)
}

export function decrypt(content, secret, publicKey) {
  return nip44.v2.decrypt(content, nip44.v2.utils.getConversationKey(hexToBytes(secret), publicKey))
}

/** What the identity key signs: bound to the event's author, so that no proof can be grafted. */
export const identityText = (author, text) => `${IDENTITY_DOMAIN}:${author}:${text}`

/** The tuple's elements as a value; `sign` signs also where one key does everything. */
export function tupleV2(message, { secret, identity = secret, sign = false, aux }) {
  const text = canonical(message)
  const own = identity === secret
  const signature = sign || !own ? signText(text, secret, aux) : null
  const proof = own ? null : [publicOf(identity), signText(identityText(publicOf(secret), text), identity, aux)]
  return [ordered(message), signature, proof]
}

/** Version 2: one signed kind 14 event. */
export function sealV2(message, { secret, receiver, created_at, expires_at = null, ...signing }) {
  const tags = [['p', receiver]]
  if (expires_at !== null) tags.push(['expiration', String(expires_at)])
  const content = encrypt(write(tupleV2(message, { secret, ...signing })), secret, receiver)
  return signEvent({ kind: DIRECT_KIND, created_at, tags, content }, secret)
}

/** Version 1: a rumor of the trade key, sealed by the identity key, wrapped under a random one. */
export function sealV1(message, { secret, receiver, created_at, expires_at = null, identity = secret, sign = false }) {
  const signature = sign || identity !== secret ? signText(canonical(message), secret) : null
  const rumor = { pubkey: publicOf(secret), created_at, kind: RUMOR_KIND, tags: [], content: write([ordered(message), signature]) }
  rumor.id = getEventHash(rumor)
  const seal = signEvent(
    { kind: SEAL_KIND, created_at: backdated(created_at), tags: [], content: encrypt(JSON.stringify(rumor), identity, receiver) },
    identity,
  )
  const oneTime = bytesToHex(generateSecretKey())
  const tags = [['p', receiver]]
  if (expires_at !== null) tags.push(['expiration', String(expires_at)])
  const content = encrypt(JSON.stringify(seal), oneTime, receiver)
  return signEvent({ kind: WRAP_KIND, created_at: backdated(created_at), tags, content }, oneTime)
}

/** Choose by the node's transport: "nip44" or "gift-wrap". */
export function seal(transport, message, options) {
  return transport === 'nip44' ? sealV2(message, options) : sealV1(message, options)
}

/**
 * Open an event of either transport addressed to `secret`.
 *
 * Returns {message, sender, identity, created_at, signed, canonical, transport}; `canonical` says
 * whether the text that came is the one the reference would write. Throws Refusal.
 */
export function open(event, secret, { at }) {
  demand(isEvent(event), 'event-signature', 'not an event')
  demand([DIRECT_KIND, WRAP_KIND].includes(event.kind), 'kind', String(event.kind))
  demand(holds(event), 'event-signature')
  const until = expiration(event)
  demand(until === null || until > at, 'expired')
  return event.kind === DIRECT_KIND ? openV2(event, secret) : openV1(event, secret)
}

function receivedBy(event, secret) {
  demand(onlyTag(event, 'p') === publicOf(secret), 'receiver')
}

function openV2(event, secret) {
  const text = orRefuse('decrypt', () => decrypt(event.content, secret, event.pubkey))
  receivedBy(event, secret)
  const tuple = orRefuse('tuple-shape', () => parse(text))
  demand(Array.isArray(tuple) && tuple.length === 3, 'tuple-shape', 'not three elements')
  const [value, signature, proof] = tuple
  demand(signature === null || isSignature(signature), 'tuple-shape', 'signature')
  demand(proof === null || isProof(proof), 'tuple-shape', 'identity proof')
  const message = readMessage(value)
  const signed = canonical(message)
  demand(signature === null || textSigned(signed, signature, event.pubkey), 'trade-signature')
  const identity = proof === null ? event.pubkey : proof[0]
  if (proof !== null) {
    demand(textSigned(identityText(event.pubkey, signed), proof[1], identity), 'identity-proof-signature')
  }
  demand(signature !== null || identity === event.pubkey, 'identity-differs-and-unsigned')
  return {
    transport: 'nip44',
    message,
    sender: event.pubkey,
    identity,
    created_at: event.created_at,
    signed: signature !== null,
    canonical: write([ordered(message), signature, proof]) === text,
  }
}

const isProof = value => Array.isArray(value) && value.length === 2 && isHexKey(value[0]) && isSignature(value[1])

function openV1(event, secret) {
  const outer = orRefuse('decrypt', () => decrypt(event.content, secret, event.pubkey))
  receivedBy(event, secret)
  const sealed = orRefuse('seal', () => parse(outer))
  demand(isEvent(sealed) && sealed.kind === SEAL_KIND && sealed.tags.length === 0, 'seal')
  demand(holds(sealed), 'seal-signature')
  const inner = orRefuse('seal', () => decrypt(sealed.content, secret, sealed.pubkey))
  const rumor = orRefuse('rumor', () => parse(inner))
  demand(isEvent(rumor, { signed: false }) && rumor.kind === RUMOR_KIND, 'rumor')
  demand(rumor.id === undefined || rumor.id === getEventHash(rumor), 'rumor', 'id')
  const tuple = orRefuse('tuple-shape', () => parse(rumor.content))
  demand(Array.isArray(tuple) && tuple.length === 2, 'tuple-shape', 'not two elements')
  const [value, signature] = tuple
  demand(signature === null || isSignature(signature), 'tuple-shape', 'signature')
  const message = readMessage(value)
  demand(signature === null || textSigned(canonical(message), signature, rumor.pubkey), 'rumor-signature')
  demand(signature !== null || rumor.pubkey === sealed.pubkey, 'identity-differs-and-unsigned')
  return {
    transport: 'gift-wrap',
    message,
    sender: rumor.pubkey,
    identity: sealed.pubkey,
    created_at: rumor.created_at,
    signed: signature !== null,
    canonical: write([ordered(message), signature]) === rumor.content,
  }
}

/** Like `open`, for what only the node may have written. */
export function openFromNode(event, secret, node, { at }) {
  demand(event.kind !== DIRECT_KIND || event.pubkey === node, 'author-is-node')
  const opened = open(event, secret, { at })
  demand(opened.sender === node && opened.identity === node, 'author-is-node')
  return opened
}

export { Refusal }
