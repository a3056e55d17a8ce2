// The peer's process: commands as JSON lines on stdin, reports as JSON lines on stdout.
//
//   {"re": 1, "do": "node", "as": "mostro", "with": {"relays": ["ws://..."], "pow": 4}}
//   {"report": "done", "re": 1, "pubkey": "..."}        or  {"report": "failed", "re": 1, "what": "..."}
//
// `do` is "node", "party" or "solver" for a new role, else one of the role's own commands (ROLES).
// What a role meets it reports by itself: request, took, cant-do, notice, heard, said, dm, refused,
// error, each with "as". The process ends when its stdin does.

import { createInterface } from 'node:readline'

import { bytesToHex, generateSecretKey } from './lib/basics.mjs'
import { write } from './lib/json.mjs'
import { Node } from './lib/node.mjs'
import { Party } from './lib/party.mjs'
import { Relays } from './lib/relays.mjs'
import { Solver } from './lib/solver.mjs'

const ROLES = {
  node: { start: Node.start, commands: ['configure', 'register', 'dispute', 'resolve', 'take_over', 'notice'] },
  party: { start: Party.start, commands: ['say'] },
  solver: { start: Solver.start, commands: ['dm', 'send_dm'] },
}

const roles = new Map()

function say(report, fields) {
  process.stdout.write(`${write({ report, ...fields })}\n`)
}

async function begin(kind, as, { relays, secret = bytesToHex(generateSecretKey()), ...settings }) {
  if (roles.has(as)) throw new Error(`${as} is there already`)
  const links = await Relays.connect(relays)
  const report = (name, fields) => say(name, { as, ...fields })
  const role = await ROLES[kind].start(links, report, { secret, ...settings })
  roles.set(as, { role, commands: ROLES[kind].commands })
  return { pubkey: role.pubkey }
}

async function obey({ re, do: command, as, with: settings }) {
  try {
    if (Object.hasOwn(ROLES, command)) return say('done', { re, ...(await begin(command, as, settings)) })
    const known = roles.get(as)
    if (!known?.commands.includes(command)) throw new Error(`${as} does not know ${command}`)
    return say('done', { re, ...(await known.role[command](settings)) })
  } catch (error) {
    return say('failed', { re, what: String(error?.stack ?? error) })
  }
}

process.on('unhandledRejection', error => say('error', { what: String(error?.stack ?? error) }))
createInterface({ input: process.stdin })
  .on('line', line => obey(JSON.parse(line)))
  .on('close', () => process.exit(0))
say('ready', { version: process.version })
