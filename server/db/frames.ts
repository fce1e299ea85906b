/**
 * The frontend half of the Postgres wire protocol, as far as one engine session must be shared by several connections: cutting the byte
 * stream into messages and giving each connection names of its own.
 */

export interface Frame {
  /** type byte; 0 for the untyped first message of a connection */
  readonly type: number;
  /** the whole message, type and length included */
  readonly bytes: Uint8Array;
}

export const TYPE = {
  bind: 0x42,
  close: 0x43,
  describe: 0x44,
  execute: 0x45,
  flush: 0x48,
  parse: 0x50,
  query: 0x51,
  sync: 0x53,
  terminate: 0x58,
} as const;

const NOTHING = new Uint8Array(0);

/** Cuts a byte stream into messages. */
export class FrameReader {
  #rest: Uint8Array = NOTHING;
  #started = false;

  push(chunk: Uint8Array): Frame[] {
    const bytes = this.#rest.length === 0 ? chunk : concat([this.#rest, chunk]);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const frames: Frame[] = [];
    let at = 0;
    for (;;) {
      const head = this.#started ? 1 : 0;
      if (bytes.length - at < head + 4) break;
      const length = head + view.getInt32(at + head);
      if (bytes.length - at < length) break;
      frames.push({ type: head === 1 ? (bytes[at] ?? 0) : 0, bytes: bytes.subarray(at, at + length) });
      at += length;
      // an SSL request has 8 bytes and is followed by the real start
      if (head === 0 && length > 8) this.#started = true;
    }
    this.#rest = at === bytes.length ? NOTHING : bytes.slice(at);
    return frames;
  }
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1 && parts[0]) return parts[0];
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A backend or frontend message with its length. */
export function message(type: string, ...body: (string | Uint8Array)[]): Uint8Array {
  const payload = concat([NOTHING, ...body.map((part) => (typeof part === 'string' ? encoder.encode(part) : part))]);
  const bytes = new Uint8Array(payload.length + 5);
  bytes[0] = type.charCodeAt(0);
  new DataView(bytes.buffer).setInt32(1, payload.length + 4);
  bytes.set(payload, 5);
  return bytes;
}

/** Names of prepared statements and portals of one connection, made unique in the shared session. */
export class Names {
  readonly #prefix: string;
  readonly #statements = new Set<string>();

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** The same message under the session's names; the unnamed statement and portal stay unnamed. */
  rewrite({ type, bytes }: Frame): Uint8Array {
    if (type === TYPE.parse) {
      const [name, end] = cstring(bytes, 5);
      if (name === '') return bytes;
      this.#statements.add(name);
      return message('P', this.#own(name), bytes.subarray(end));
    }
    if (type === TYPE.bind) {
      const [portal, middle] = cstring(bytes, 5);
      const [statement, end] = cstring(bytes, middle);
      if (portal === '' && statement === '') return bytes;
      return message('B', this.#own(portal), this.#own(statement), bytes.subarray(end));
    }
    if (type === TYPE.execute) {
      const [portal, end] = cstring(bytes, 5);
      return portal === '' ? bytes : message('E', this.#own(portal), bytes.subarray(end));
    }
    if (type === TYPE.describe || type === TYPE.close) {
      const [name] = cstring(bytes, 6);
      if (name === '') return bytes;
      if (type === TYPE.close && bytes[5] === 0x53) this.#statements.delete(name);
      return message(String.fromCharCode(type), bytes.subarray(5, 6), this.#own(name));
    }
    return bytes;
  }

  /** Messages that drop every statement of the connection. */
  forget(): Uint8Array | undefined {
    if (this.#statements.size === 0) return undefined;
    const closes = [...this.#statements].map((name) => message('C', 'S', this.#own(name)));
    this.#statements.clear();
    return concat([...closes, message('S')]);
  }

  #own(name: string): string {
    return name === '' ? '\0' : `${this.#prefix}${name}\0`;
  }
}

/** Text up to the next zero byte, and the position after it. */
function cstring(bytes: Uint8Array, from: number): [text: string, next: number] {
  const end = bytes.indexOf(0, from);
  return [end === from ? '' : decoder.decode(bytes.subarray(from, end)), end + 1];
}

/** Transaction status at the end of an answer: idle, in a transaction, in a failed one; undefined when the answer does not end a cycle. */
export function statusOf(answer: Uint8Array): 'I' | 'T' | 'E' | undefined {
  const at = answer.length - 6;
  if (at < 0 || answer[at] !== 0x5a || answer[at + 4] !== 5) return undefined;
  const status = String.fromCharCode(answer[at + 5] ?? 0);
  return status === 'I' || status === 'T' || status === 'E' ? status : undefined;
}

/** The first column of the first row of an answer, as text; undefined when there is no row. */
export function firstText(answer: Uint8Array): string | undefined {
  const view = new DataView(answer.buffer, answer.byteOffset, answer.length);
  for (let at = 0; at + 5 <= answer.length; at += 1 + view.getInt32(at + 1)) {
    if (answer[at] !== 0x44) continue;
    const length = view.getInt32(at + 7);
    return length < 0 ? undefined : decoder.decode(answer.subarray(at + 11, at + 11 + length));
  }
  return undefined;
}

/** What a server says to a connection that has just begun. */
export function greeting(version: string, connection: number): Uint8Array {
  const parameters = {
    server_version: version,
    server_encoding: 'UTF8',
    client_encoding: 'UTF8',
    DateStyle: 'ISO, MDY',
    integer_datetimes: 'on',
    standard_conforming_strings: 'on',
    TimeZone: 'UTC',
  };
  const key = new Uint8Array(8);
  new DataView(key.buffer).setInt32(0, connection);
  return concat([
    message('R', new Uint8Array(4)),
    ...Object.entries(parameters).map(([name, value]) => message('S', `${name}\0${value}\0`)),
    message('K', key),
    message('Z', 'I'),
  ]);
}

/** An error message with which the server ends a connection. */
export const fatal = (code: string, text: string): Uint8Array => message('E', `SFATAL\0VFATAL\0C${code}\0M${text}\0\0`);
