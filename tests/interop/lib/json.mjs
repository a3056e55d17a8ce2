// JSON as the reference implementation reads and writes it, where JavaScript's differs.
//
// Integers beyond 2^53 keep their digits (request ids are unsigned 64-bit), a repeated key is an
// error, and what is written is compact, with raw UTF-8.

const NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y
const BLANK = /[ \t\n\r]*/y
const WORDS = { true: true, false: false, null: null }
const DEEPEST = 64

/** Parse JSON text. Throws SyntaxError. */
export function parse(text) {
  let at = 0
  const match = pattern => {
    pattern.lastIndex = at
    const found = pattern.exec(text)
    if (found) at = pattern.lastIndex
    return found
  }
  const fail = () => {
    throw new SyntaxError(`unexpected character at ${at}`)
  }
  const take = character => (text[at] === character ? ((at += 1), true) : false)

  function string() {
    const found = match(STRING)
    return found ? JSON.parse(found[0]) : fail()
  }
  function number() {
    const found = match(NUMBER) ?? fail()
    const value = Number(found[0])
    const whole = found[1] === undefined && found[2] === undefined
    return whole && !Number.isSafeInteger(value) ? BigInt(found[0]) : value
  }
  function list(depth) {
    const items = []
    match(BLANK)
    if (take(']')) return items
    do items.push(value(depth))
    while (take(','))
    return take(']') ? items : fail()
  }
  function object(depth) {
    const fields = {}
    match(BLANK)
    if (take('}')) return fields
    do {
      match(BLANK)
      const name = string()
      if (Object.hasOwn(fields, name)) throw new SyntaxError(`key ${name} repeated`)
      match(BLANK)
      if (!take(':')) fail()
      Object.defineProperty(fields, name, { value: value(depth), enumerable: true, writable: true })
    } while (take(','))
    return take('}') ? fields : fail()
  }
  function value(depth) {
    if (depth > DEEPEST) throw new SyntaxError('nested too deeply')
    match(BLANK)
    const result = plain(depth)
    match(BLANK)
    return result
  }
  function plain(depth) {
    if (text[at] === '"') return string()
    if (take('[')) return list(depth + 1)
    if (take('{')) return object(depth + 1)
    for (const [word, meaning] of Object.entries(WORDS)) {
      if (text.startsWith(word, at)) {
        at += word.length
        return meaning
      }
    }
    return number()
  }

  const result = value(0)
  return at === text.length ? result : fail()
}

/** Write compact JSON; object keys keep their order, undefined ones are left out. */
export function write(value) {
  if (typeof value === 'bigint') return value.toString()
  if (Array.isArray(value)) return `[${value.map(write).join(',')}]`
  if (typeof value === 'object' && value !== null) {
    const fields = Object.entries(value)
      .filter(([, each]) => each !== undefined)
      .map(([name, each]) => `${JSON.stringify(name)}:${write(each)}`)
    return `{${fields.join(',')}}`
  }
  return JSON.stringify(value)
}
