// What every part uses: refusals with a name, hex, hashes, event checks, time.

import { schnorr } from '@noble/curves/secp256k1.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { finalizeEvent, generateSecretKey, getEventHash, getPublicKey, verifyEvent } from 'nostr-tools/pure'

export { bytesToHex, finalizeEvent, generateSecretKey, getEventHash, getPublicKey, hexToBytes }

const ENCODER = new TextEncoder()
const HEX_64 = /^[0-9a-f]{64}$/
const HEX_128 = /^[0-9a-f]{128}$/

/** NIP-59: times of wraps and seals lie up to two days back. */
export const BACKDATING_SECONDS = 172_800
/** How long protocol messages stay on relays (protocol: 30 days). */
export const MESSAGE_LIFE_SECONDS = 30 * 86_400

/** Something from outside that does not hold. `reason` names the check that failed. */
export class Refusal extends Error {
  constructor(reason, detail = '') {
    super(detail ? `${reason}: ${detail}` : reason)
    this.reason = reason
    this.detail = detail
  }
}

/** Throw a refusal unless `condition` holds. */
export function demand(condition, reason, detail = '') {
  if (!condition) throw new Refusal(reason, detail)
}

/** Run `work`; whatever it throws that has no name yet becomes a refusal called `reason`. */
export function orRefuse(reason, work) {
  try {
    return work()
  } catch (error) {
    if (error instanceof Refusal) throw error
    throw new Refusal(reason, error.message)
  }
}

export const now = () => Math.floor(Date.now() / 1000)
export const isHexKey = value => typeof value === 'string' && HEX_64.test(value)
export const isSignature = value => typeof value === 'string' && HEX_128.test(value)
export const isObject = value => typeof value === 'object' && value !== null && !Array.isArray(value)
export const bytes = text => ENCODER.encode(text)
export const digest = text => sha256(bytes(text))

/** BIP-340 over SHA-256 of `text`; fresh auxiliary randomness unless given. */
export function signText(text, secret, aux) {
  return bytesToHex(schnorr.sign(digest(text), hexToBytes(secret), aux))
}

/** Whether `signature` is the key's over `text`. */
export function textSigned(text, signature, publicKey) {
  try {
    return schnorr.verify(hexToBytes(signature), digest(text), hexToBytes(publicKey))
  } catch {
    return false
  }
}

/** Sign an event template under a secret in hex. */
export function signEvent(template, secret) {
  return finalizeEvent(template, hexToBytes(secret))
}

/** Whether a value has exactly the types of an event's fields (signed or not). */
export function isEvent(value, { signed = true } = {}) {
  return (
    isObject(value) &&
    isHexKey(value.pubkey) &&
    Number.isSafeInteger(value.created_at) &&
    value.created_at >= 0 &&
    Number.isSafeInteger(value.kind) &&
    Array.isArray(value.tags) &&
    value.tags.every(tag => Array.isArray(tag) && tag.length > 0 && tag.every(item => typeof item === 'string')) &&
    typeof value.content === 'string' &&
    (!signed || (isHexKey(value.id) && isSignature(value.sig)))
  )
}

/**
 * Whether id and signature of an event hold. Works on a plain copy: the library remembers a
 * verdict on the object itself, also on copies made by spreading.
 */
export function holds(event) {
  if (!isEvent(event)) return false
  const { id, pubkey, created_at, kind, tags, content, sig } = event
  return verifyEvent({ id, pubkey, created_at, kind, tags, content, sig })
}

/** Values of all tags of a name. */
export const tagValues = (event, name) => event.tags.filter(tag => tag[0] === name).map(tag => tag[1])

/** The single value of a tag that may stand once; null where absent. */
export function onlyTag(event, name) {
  const values = tagValues(event, name)
  demand(values.length <= 1, 'tags', `${values.length} tags ${name}`)
  return values[0] ?? null
}

/** NIP-40: the time after which an event is over; null where none is set. */
export function expiration(event) {
  const value = onlyTag(event, 'expiration')
  if (value === null) return null
  demand(/^[0-9]{1,15}$/.test(value), 'expiration', 'not a time')
  return Number(value)
}

/** A random moment of the last two days. */
export const backdated = at => at - Math.floor(Math.random() * BACKDATING_SECONDS)
