// The logical message of the Mostro protocol: one wrapper key around a body, written in one
// canonical form, because signatures cover that text.

import { Refusal, demand, isObject } from './basics.mjs'
import { write } from './json.mjs'

const WRAPPERS = ['order', 'dispute', 'cant-do', 'rate', 'dm', 'restore']
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
const PAYLOADS = [
  'order', 'payment_request', 'text_message', 'peer', 'rating_user', 'amount', 'dispute', 'cant_do',
  'next_trade', 'payment_failed', 'restore_data', 'ids', 'orders', 'bond_resolution',
  'bond_payout_request', 'cashu_lock_proof', 'cashu_signatures',
]

export const isUuid = value => typeof value === 'string' && UUID.test(value)

/** Build a message; absent fields are null. */
export function message(wrapper, { version, request_id = null, trade_index = null, id = null, action, payload = null }) {
  return { wrapper, version, request_id, trade_index, id, action, payload }
}

function integer(value, name, lowest, highest) {
  if (value === null || value === undefined) return null
  const whole = typeof value === 'bigint' || Number.isSafeInteger(value)
  demand(whole && BigInt(value) >= lowest && BigInt(value) <= highest, 'message', `${name} is not such an integer`)
  return value
}

function payload(value) {
  if (value === null || value === undefined) return null
  demand(isObject(value), 'message', 'payload is not an object')
  const names = Object.keys(value)
  demand(names.length === 1 && PAYLOADS.includes(names[0]), 'message', `payload variants ${names}`)
  checkVariant(names[0], value[names[0]])
  return value
}

/** The variants this peer meets must have their exact shape; the others are not looked into. */
function checkVariant(name, value) {
  if (name === 'text_message') demand(typeof value === 'string', 'message', 'text_message is no text')
  if (name === 'cant_do') demand(value === null || typeof value === 'string', 'message', 'cant_do is no text')
  if (name === 'dispute') {
    demand(Array.isArray(value) && value.length === 2 && isUuid(value[0]), 'message', 'dispute is no pair')
    demand(value[1] === null || isObject(value[1]), 'message', 'dispute information is no object')
  }
  if (name === 'peer') demand(isObject(value) && typeof value.pubkey === 'string', 'message', 'peer without key')
}

/** Read a parsed JSON value as a message. Throws Refusal("message"). */
export function readMessage(value) {
  demand(isObject(value), 'message', 'not an object')
  const names = Object.keys(value)
  demand(names.length === 1 && WRAPPERS.includes(names[0]), 'message', `wrapper keys ${names}`)
  const body = value[names[0]]
  demand(isObject(body), 'message', 'the body is no object')
  demand(typeof body.action === 'string', 'message', 'no action')
  demand(body.id === undefined || body.id === null || isUuid(body.id), 'message', 'id is no UUID')
  const version = integer(body.version, 'version', 0n, 255n)
  demand(version !== null, 'message', 'no version')
  return message(names[0], {
    version,
    request_id: integer(body.request_id, 'request_id', 0n, 2n ** 64n - 1n),
    trade_index: integer(body.trade_index, 'trade_index', -(2n ** 63n), 2n ** 63n - 1n),
    id: body.id?.toLowerCase() ?? null,
    action: body.action,
    payload: payload(body.payload),
  })
}

/** The message as a JSON value with its fields in the order of the reference serializer. */
export function ordered({ wrapper, version, request_id, trade_index, id, action, payload: content }) {
  const body = { version, request_id, trade_index, ...(id === null ? {} : { id }), action, payload: content }
  return { [wrapper]: body }
}

/** The canonical text: compact, nulls written, an absent id left out. */
export const canonical = each => write(ordered(each))

/** The structural check a node applies to a request. Throws Refusal("message-verify"). */
export function verifyRequest({ action, id, payload: content }) {
  const variant = content === null ? null : Object.keys(content)[0]
  const bonds = ['bond_resolution', 'bond_payout_request']
  if (['admin-take-dispute', 'admin-add-solver', 'dispute', 'cancel', 'release'].includes(action)) {
    demand(id !== null, 'message-verify', `${action} without id`)
    demand(!bonds.includes(variant), 'message-verify', `${action} with ${variant}`)
  } else if (['admin-settle', 'admin-cancel'].includes(action)) {
    demand(id !== null, 'message-verify', `${action} without id`)
    demand([null, 'bond_resolution'].includes(variant), 'message-verify', `${action} with ${variant}`)
  } else {
    throw new Refusal('message-verify', `no request to answer here: ${action}`)
  }
}
