// The dispute chat: keys of a channel, the kind 14 envelope and the older gift wrap.

import { secp256k1 } from '@noble/curves/secp256k1.js'
import { expand, extract } from '@noble/hashes/hkdf.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { concatBytes } from '@noble/hashes/utils.js'

import {
  backdated, bytes, bytesToHex, demand, generateSecretKey, getPublicKey, hexToBytes, holds, isEvent,
  isHexKey, orRefuse, signEvent, tagValues,
} from './basics.mjs'
import { parse } from './json.mjs'
import { decrypt, encrypt } from './transport.mjs'

export const CHAT_KIND = 14
export const LEGACY_KIND = 1059
const INNER_KIND = 1
export const LIMITS = { skewSeconds: 60, contentBytes: 65_536 }
const ATTACHMENTS = ['image_encrypted', 'file_encrypted']

/** HKDF's prk (empty salt) of a channel's shared secret. */
export const prkOf = shared => extract(sha256, shared, new Uint8Array(32))

/** The unhashed x coordinate of secret * point, the point lifted to even Y. */
export function sharedSecret(secret, publicKey) {
  return secp256k1.getSharedSecret(hexToBytes(secret), hexToBytes(`02${publicKey}`)).subarray(1, 33)
}

/** One key of a channel; the label grows by a counter byte until the output is a valid secret. */
function channelKey(prk, label) {
  let info = bytes(label)
  for (let counter = 1; ; counter += 1) {
    const secret = expand(sha256, prk, info, 32)
    if (secp256k1.utils.isValidSecretKey(secret)) return pair(secret)
    info = concatBytes(info, Uint8Array.of(counter))
  }
}

const pair = secret => ({ secret: bytesToHex(secret), pubkey: getPublicKey(secret) })

/** All keys of the channel between a secret (hex) and a public key. */
export function channelKeys(secret, publicKey) {
  const shared = sharedSecret(secret, publicKey)
  const prk = prkOf(shared)
  return {
    conversation: channelKey(prk, 'mostro:chat:conv:v1'),
    signing: channelKey(prk, 'mostro:chat:sign:v1'),
    legacy: pair(shared),
  }
}

/** The signed inner event; the random tag keeps two equal texts of one second apart. */
export function innerMessage(secret, text, at) {
  const mark = bytesToHex(generateSecretKey()).slice(0, 16)
  return signEvent({ kind: INNER_KIND, created_at: at, tags: [['u', mark]], content: text }, secret)
}

/** Current envelope: author K_sign, addressed to and encrypted under K_conv, dated like the inner. */
export function wrapDirect(keys, inner) {
  const { secret, pubkey } = keys.conversation
  const content = encrypt(JSON.stringify(inner), secret, pubkey)
  const template = { kind: CHAT_KIND, created_at: inner.created_at, tags: [['p', pubkey]], content }
  return signEvent(template, keys.signing.secret)
}

/** Older envelope: a random author writes the signed inner event to the shared secret's key. */
export function wrapLegacy(keys, inner) {
  const oneTime = bytesToHex(generateSecretKey())
  const content = encrypt(JSON.stringify(inner), oneTime, keys.legacy.pubkey)
  const template = { kind: LEGACY_KIND, created_at: backdated(inner.created_at), tags: [['p', keys.legacy.pubkey]], content }
  return signEvent(template, oneTime)
}

function attachmentOf(text) {
  if (!text.startsWith('{')) return null
  try {
    const value = JSON.parse(text)
    return ATTACHMENTS.includes(value.type) ? value : null
  } catch {
    return null
  }
}

/**
 * One channel as a reader keeps it: its keys, who may write, and what was accepted before.
 * Refusals carry the number of the protocol's validation step in `detail`.
 */
export class Channel {
  constructor(keys, allowed) {
    this.keys = keys
    this.allowed = allowed
    this.outerSeen = new Set()
    this.innerSeen = new Set()
    this.cursor = 0
  }

  /** Open a kind 14 event of this channel. */
  openDirect(event, at) {
    const { conversation, signing } = this.keys
    demand(event.pubkey === signing.pubkey && event.kind === CHAT_KIND, 'author', '1')
    const receivers = tagValues(event, 'p')
    demand(receivers.length === 1 && receivers[0] === conversation.pubkey, 'p-tag', '2')
    demand(event.created_at <= at + LIMITS.skewSeconds, 'absolute-time', '3')
    demand(bytes(event.content).length <= LIMITS.contentBytes, 'size', '4')
    demand(!this.outerSeen.has(event.id), 'outer-dedup', '5')
    demand(holds(event), 'outer-signature', '7')
    this.outerSeen.add(event.id)
    const text = orRefuse('decrypt', () => decrypt(event.content, conversation.secret, conversation.pubkey))
    const accepted = this.#inner(text, event, inner => {
      demand(Math.abs(inner.created_at - event.created_at) <= LIMITS.skewSeconds, 'relative-time', '13')
    })
    this.cursor = Math.max(this.cursor, Math.min(event.created_at, at))
    return { ...accepted, envelope: 'kind14' }
  }

  /** Open a gift wrap of this channel; its time says nothing and moves no cursor. */
  openLegacy(event, at) {
    const { legacy } = this.keys
    demand(event.kind === LEGACY_KIND, 'kind')
    const receivers = tagValues(event, 'p')
    demand(receivers.length === 1 && receivers[0] === legacy.pubkey, 'p-tag', '2')
    demand(bytes(event.content).length <= LIMITS.contentBytes, 'size', '4')
    demand(!this.outerSeen.has(event.id), 'outer-dedup', '5')
    demand(holds(event), 'outer-signature', '7')
    this.outerSeen.add(event.id)
    const text = orRefuse('decrypt', () => decrypt(event.content, legacy.secret, event.pubkey))
    const accepted = this.#inner(text, event, inner => {
      demand(inner.created_at <= at + LIMITS.skewSeconds, 'absolute-time', '3')
    })
    return { ...accepted, envelope: 'gift-wrap' }
  }

  #inner(text, event, checkTime) {
    const inner = orRefuse('inner-parse', () => parse(text))
    demand(isEvent(inner, { signed: false }) && isHexKey(inner.id), 'inner-parse', '8')
    demand(holds(inner), 'inner-signature', '9')
    demand(this.allowed.includes(inner.pubkey), 'inner-signer', '10')
    demand(inner.kind === INNER_KIND, 'inner-kind', '11')
    demand(!this.innerSeen.has(inner.id), 'inner-dedup', '12')
    checkTime(inner)
    this.innerSeen.add(inner.id)
    return {
      inner_id: inner.id,
      author: inner.pubkey,
      text: inner.content,
      tags: inner.tags,
      created_at: inner.created_at,
      outer_id: event.id,
      outer_created_at: event.created_at,
      outer_tags: event.tags,
      attachment: attachmentOf(inner.content),
    }
  }
}
