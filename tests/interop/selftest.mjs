// Checks the peer against the protocol's test vectors, without any network.
//
//   node selftest.mjs [FOLDER]
//
// Prints one line a failure and a summary as JSON; exits 1 when anything failed.

import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import * as nip13 from 'nostr-tools/nip13'
import * as nip44 from 'nostr-tools/nip44'

import { Refusal, bytesToHex, digest, getPublicKey, hexToBytes, signText, textSigned } from './lib/basics.mjs'
import { Channel, channelKeys, innerMessage, prkOf, sharedSecret, wrapDirect, wrapLegacy } from './lib/chat.mjs'
import { readDispute, readInfo, supersedes } from './lib/events.mjs'
import { parse, write } from './lib/json.mjs'
import { canonical, message, readMessage, verifyRequest } from './lib/message.mjs'
import { encrypt, identityText, open, openFromNode, sealV1, sealV2, tupleV2 } from './lib/transport.mjs'

const folder = process.argv[2] ?? join(dirname(fileURLToPath(import.meta.url)), '..', 'vectors')
const load = name => JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8'))
const NO_AUX = new Uint8Array(32)
const counts = { accepted: 0, refused: 0, failed: 0 }

function fail(where, what) {
  counts.failed += 1
  process.stderr.write(`${where}: ${what}\n`)
}

function same(where, what, actual, wanted) {
  const [left, right] = [write(actual), write(wanted)]
  if (left !== right) fail(where, `${what} is ${left}, not ${right}`)
}

/** `work` must succeed. */
function accepts(where, work) {
  try {
    const result = work()
    counts.accepted += 1
    return result
  } catch (error) {
    fail(where, error instanceof Refusal ? `refused: ${error.message}` : error.stack)
    return null
  }
}

/** `work` must be refused for one of `reasons`. */
function refuses(where, reasons, work) {
  try {
    work()
    fail(where, `accepted instead of ${reasons}`)
  } catch (error) {
    if (!(error instanceof Refusal)) fail(where, error.stack)
    else if (!reasons.includes(error.reason)) fail(where, `${error.message} instead of ${reasons}`)
    else counts.refused += 1
  }
}

function chatKeys() {
  for (const vector of load('chat_keys').vectors) {
    for (const [own, other] of [['a', 'b'], ['b', 'a']]) {
      const where = `chat_keys ${vector.name} ${own}`
      const secret = vector[own].secret_key
      const shared = sharedSecret(secret, vector[other].public_key)
      const keys = channelKeys(secret, vector[other].public_key)
      same(where, 'shared secret', bytesToHex(shared), vector.shared_secret)
      same(where, 'prk', bytesToHex(prkOf(shared)), vector.hkdf_prk)
      same(where, 'K_conv', [keys.conversation.secret, keys.conversation.pubkey], Object.values(vector.k_conv))
      same(where, 'K_sign', [keys.signing.secret, keys.signing.pubkey], Object.values(vector.k_sign))
      same(where, 'legacy address', keys.legacy.pubkey, vector.legacy_giftwrap_p_pubkey)
      const self = nip44.v2.utils.getConversationKey(hexToBytes(keys.conversation.secret), keys.conversation.pubkey)
      same(where, 'conversation key', bytesToHex(self), vector.k_conv_self_conversation_key)
      counts.accepted += 1
    }
  }
}

/** What a client or the node does with an event of the vectors, whichever it is for. */
function openVector(keys, vector, receiver, at) {
  const secret = keys[receiver].secret_key
  const opened =
    receiver === 'node' ? open(vector.event, secret, { at }) : openFromNode(vector.event, secret, keys.node.public_key, { at })
  if (receiver === 'node') {
    verifyRequest(opened.message)
    if (opened.created_at < at - 10) throw new Refusal('freshness')
  }
  return opened
}

function transport(name) {
  const { keys, clock, valid, invalid } = load(name)
  for (const vector of valid) {
    const where = `${name} ${vector.name}`
    const opened = accepts(where, () => openVector(keys, vector, vector.receiver, clock.event_time))
    if (opened === null) continue
    const { sender, identity } = opened
    same(where, 'who', { sender, identity }, { sender: vector.expect.sender, identity: vector.expect.identity })
    same(where, 'text', canonical(opened.message), vector.message_json)
    same(where, 'canonical', opened.canonical, true)
    same(where, 'digest', bytesToHex(digest(vector.message_json)), vector.message_sha256)
    if (vector.plaintext !== undefined) rebuild(where, keys, vector, opened)
    if (vector.pow_bits !== undefined) same(where, 'work', nip13.getPow(vector.event.id), vector.leading_zero_bits)
  }
  for (const vector of invalid) {
    const receiver = vector.name === 'reply-to-other-receiver' ? 'solver' : vector.receiver
    const at = vector.expect.now ?? clock.event_time
    refuses(`${name} ${vector.name}`, [vector.expect.rejected_by], () => openVector(keys, vector, receiver, at))
  }
}

/** With the vector's nonce and no randomness this peer must write the very same bytes. */
function rebuild(where, keys, vector, opened) {
  const secret = keys[vector.author].secret_key
  const identity = Object.values(keys).find(each => each.public_key === opened.identity).secret_key
  const tuple = write(tupleV2(opened.message, { secret, identity, sign: opened.signed, aux: NO_AUX }))
  same(where, 'plaintext', tuple, vector.plaintext)
  const content = encrypt(tuple, secret, keys[vector.receiver].public_key, hexToBytes(vector.nip44_nonce))
  same(where, 'ciphertext', content, vector.event.content)
}

function chat() {
  const { keys, channel, valid, boundary, invalid, legacy_giftwrap: legacy, observer } = load('dispute_chat_v2')
  const secret = keys.solver.secret_key
  const party = keys['buyer-trade'].public_key
  const fresh = () => new Channel(channelKeys(secret, party), channel.allowed_signers)
  for (const vector of [...valid, ...boundary]) {
    const where = `chat ${vector.name}`
    const reader = fresh()
    const heard = accepts(where, () => reader.openDirect(vector.event, vector.now))
    if (heard === null) continue
    const { sender = heard.author, content = heard.text, inner_event_id: id = heard.inner_id, cursor_after = reader.cursor } = vector.expect
    same(where, 'message', [heard.author, heard.text, heard.inner_id, reader.cursor], [sender, content, id, cursor_after])
    same(where, 'attachment', heard.attachment, vector.attachment ?? null)
  }
  for (const vector of invalid) {
    const where = `chat ${vector.name}`
    const reader = fresh()
    const before = valid.find(each => each.name === vector.requires_accepted_before)
    if (before) accepts(where, () => reader.openDirect(before.event, before.now))
    refuses(where, [vector.expect.check], () => reader.openDirect(vector.event, vector.now))
    if (vector.genuine_event) accepts(`${where}, genuine`, () => reader.openDirect(vector.genuine_event, vector.now))
  }
  const old = accepts('chat legacy', () => fresh().openLegacy(legacy.event, legacy.expect.created_at))
  if (old) same('chat legacy', 'message', [old.author, old.text, old.created_at], Object.values(legacy.expect))
  observed(keys, observer)
}

function observed(keys, observer) {
  const { conversation, signing } = channelKeys(keys['buyer-trade'].secret_key, keys['seller-trade'].public_key)
  same('chat observer', 'K_conv', conversation.secret, observer.disclosed_k_conv_secret)
  const reader = new Channel({ conversation, signing }, observer.allowed_signers)
  observer.events.forEach((event, index) => {
    const heard = accepts('chat observer', () => reader.openDirect(event, event.created_at))
    if (heard) same('chat observer', 'message', [heard.author, heard.text], Object.values(observer.expect[index]))
  })
}

function info() {
  const { keys, events } = load('info_events')
  for (const { name, event, expect } of events) {
    const where = `info ${name}`
    if (!expect.accept) {
      refuses(where, [expect.reason], () => readInfo(event, keys.node.public_key))
      continue
    }
    const read = accepts(where, () => readInfo(event, keys.node.public_key))
    if (read === null) continue
    for (const field of Object.keys(read)) {
      if (Object.hasOwn(expect, field)) same(where, field, read[field], expect[field])
    }
  }
}

function disputes() {
  const { keys, events, sequences } = load('dispute_events')
  const read = (event, at) => readDispute(event, keys.node.public_key, at)
  for (const { name, event, expect } of events) {
    const at = expect.now ?? event.created_at
    if (!expect.accept) refuses(`dispute ${name}`, [expect.reason], () => read(event, at))
    else same(`dispute ${name}`, 'reading', accepts(`dispute ${name}`, () => read(event, at)), expect.parsed)
  }
  for (const { name, arrival, expect } of sequences) {
    let held = null
    const applied = []
    for (const event of arrival) {
      const revision = accepts(`sequence ${name}`, () => read(event, event.created_at))
      if (revision === null || (held !== null && !supersedes(revision, held))) continue
      held = revision
      applied.push(event.id)
    }
    const status = expect.final_status ?? expect.safe_status
    same(`sequence ${name}`, 'outcome', [held.status, applied], [status, expect.applied_ids ?? applied])
  }
}

/** What this peer writes it must read, and refuse when it was tampered with. */
function ownWork() {
  const { keys } = load('transport_v2')
  const { node, solver } = keys
  const at = 1_767_225_600
  const asked = message('dispute', {
    version: 2, request_id: 2n ** 64n - 1n, id: '0f9c2b51-5a0e-4d0d-8e0b-6d9f6f1c7a10', action: 'admin-take-dispute',
  })
  same('own work', 'reading', canonical(readMessage(parse(canonical(asked)))), canonical(asked))
  for (const [name, write] of [['v2', sealV2], ['v1', sealV1]]) {
    const options = { secret: solver.secret_key, receiver: node.public_key, created_at: at, sign: true }
    const sent = write(asked, { ...options, identity: keys['solver-identity'].secret_key })
    const opened = accepts(`own ${name}`, () => open(sent, node.secret_key, { at }))
    if (opened) same(`own ${name}`, 'identity', opened.identity, keys['solver-identity'].public_key)
    refuses(`own ${name} forged`, ['event-signature'], () => open({ ...sent, created_at: at - 1 }, node.secret_key, { at }))
    refuses(`own ${name} misdirected`, ['decrypt'], () => open(sent, solver.secret_key, { at }))
    const late = write(asked, { ...options, expires_at: at })
    refuses(`own ${name} expired`, ['expired'], () => open(late, node.secret_key, { at }))
  }
  const graft = identityText(solver.public_key, canonical(asked))
  same('own proof', 'holds', textSigned(graft, signText(graft, node.secret_key), node.public_key), true)
  const channelOf = (own, other) => new Channel(channelKeys(own, getPublicKey(hexToBytes(other))), [solver.public_key])
  const there = channelOf(keys.solver.secret_key, keys.stranger.secret_key)
  const here = channelOf(keys.stranger.secret_key, keys.solver.secret_key)
  const inner = innerMessage(keys.solver.secret_key, 'both ends derive the same', at)
  accepts('own chat', () => here.openDirect(wrapDirect(there.keys, inner), at))
  refuses('own chat again', ['inner-dedup'], () => here.openLegacy(wrapLegacy(there.keys, inner), at))
}

function json() {
  for (const text of ['{"a":1,"a":2}', '[01]', '[1,]', '{"a" 1}', '"\u0001"', '[1] 2', '', '['.repeat(100), '{"__proto__":1,"__proto__":2}']) {
    refuses(`json ${text.slice(0, 20)}`, ['syntax'], () => {
      try {
        parse(text)
      } catch (error) {
        if (error instanceof SyntaxError) throw new Refusal('syntax')
        throw error
      }
    })
  }
  const text = '{"id":18446744073709551615,"list":[-1,0.5,true,null,"\u007f/é\\u0001\\n"]}'
  same('json', 'round trip', write(parse(text)) === text, true)
}

json()
chatKeys()
transport('transport_v2')
transport('transport_v1')
chat()
info()
disputes()
ownWork()
process.stdout.write(`${JSON.stringify(counts)}\n`)
process.exitCode = counts.failed === 0 ? 0 : 1
