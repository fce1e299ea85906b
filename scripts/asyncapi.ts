/** The realtime protocol and every topic and command as data: an AsyncAPI 3 document and one JSON Schema. */
import type { z } from 'zod';
import { platformOnly } from '../actors/define.ts';
import type { ActorKind, Topic } from '../actors/define.ts';
import type { Computed } from '../server/live/computed.ts';
import { acks, notices, ProblemObject } from '../server/live/outgoing.ts';
import { Auth, Cmd, Handshake, Ping, Pos, Seen, Sub, Unsub, Vis } from '../server/live/protocol.ts';
import { nameOf, queryKeys, schemaOf } from './contract.ts';

type Json = { readonly [key: string]: unknown };

const requests: { readonly [K in keyof typeof acks]: readonly [schema: z.ZodType, summary: string] } = {
  sub: [Sub, 'Subscribes topics, with a cursor where there is one'],
  unsub: [Unsub, 'Ends subscriptions'],
  cmd: [Cmd, 'Sends a command to an actor; answered after its commit'],
  seen: [Seen, 'Moves the durable position of the reader in a log'],
  auth: [Auth, 'Replaces the access token while connected'],
  pos: [Pos, 'Asks which of these positions are not the newest'],
  vis: [Vis, 'Says whether somebody looks'],
  ping1: [Ping, 'Asks for a sign of life'],
};

const summaries: { readonly [K in keyof typeof notices]: string } = {
  hello: 'The first message of every connection',
  bye: 'The server ends the connection',
  'auth.expiring': 'The access token ends in a minute',
  pub: 'A publication of a topic',
  head: 'A topic stands at s; of clusters',
  resync: 'Subscribe again with your cursors',
  unsub: 'The server ended a subscription',
};

const bare = (schema: z.ZodType, io: 'input' | 'output'): Json => {
  const { $schema: _, ...rest } = schemaOf(schema, io) as Json;
  return rest;
};

const payloadOf = (t: Topic): Json => bare(t.kind === 'state' ? t.schema : t.item, 'output');

function topicsOf(
  kinds: readonly ActorKind[],
  computed: readonly Computed[],
): [name: string, kind: string, schema: Json, query: string[]][] {
  const own = kinds.flatMap((k) => k.topics ?? []).map((t) => [nameOf(t), t.kind, payloadOf(t), queryKeys(t)] as const);
  const others = computed.map((c) => [c.name, 'state', bare(c.schema, 'output'), []] as const);
  return [...own, ...others].sort(([a], [b]) => (a < b ? -1 : 1)).map(([n, k, s, q]) => [n, k, s, [...q]]);
}

/** Schemas of all views, items, commands and replies by their names. */
export function schemasText(kinds: readonly ActorKind[], computed: readonly Computed[]): string {
  const topics = Object.fromEntries(topicsOf(kinds, computed).map(([name, kind, schema, query]) => [name, { kind, query, schema }]));
  const commands = Object.fromEntries(
    [...kinds]
      .sort((a, b) => (a.kind < b.kind ? -1 : 1))
      .flatMap((k) => Object.entries(k.commands).map(([type, c]) => ({ name: `${k.kind} ${type}`, c })))
      .filter(({ c }) => c.allow !== platformOnly)
      .map(({ name, c }) => [name, { input: bare(c.input, 'input'), reply: bare(c.reply, 'output'), rejects: c.rejects }]),
  );
  return `${JSON.stringify({ $schema: 'https://json-schema.org/draft/2020-12/schema', $comment: 'Written by npm run gen', topics, commands }, null, 2)}\n`;
}

const ref = (path: string): Json => ({ $ref: `#/${path}` });
const escaped = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1');

/** @param version of the product */
export function asyncApiText(kinds: readonly ActorKind[], computed: readonly Computed[], version: string): string {
  const messages: Record<string, Json> = {};
  const operations: Record<string, Json> = {};
  for (const [event, [schema, summary]] of Object.entries(requests)) {
    messages[event] = { name: event, summary, payload: bare(schema, 'input') };
    messages[`${event}.ack`] = {
      name: `${event}.ack`,
      summary: `Acknowledgement of ${event}`,
      payload: bare(acks[event as keyof typeof acks], 'output'),
    };
    operations[event] = {
      action: 'receive',
      summary,
      channel: ref('channels/socket'),
      messages: [ref(`channels/socket/messages/${escaped(event)}`)],
      reply: { channel: ref('channels/socket'), messages: [ref(`channels/socket/messages/${escaped(`${event}.ack`)}`)] },
    };
  }
  for (const [event, schema] of Object.entries(notices)) {
    const summary = summaries[event as keyof typeof notices];
    const name = event in requests ? `${event}.notice` : event;
    messages[name] = { name: event, summary, payload: bare(schema, 'output') };
    operations[`send.${event}`] = {
      action: 'send',
      summary,
      channel: ref('channels/socket'),
      messages: [ref(`channels/socket/messages/${escaped(name)}`)],
    };
  }
  const topics = Object.fromEntries(
    topicsOf(kinds, computed).map(([name, kind, payload, query]) => [
      name,
      {
        address: `${name}${query.length === 0 ? '' : `?${query.map((k) => `${k}={${k}}`).join('&')}`}`,
        description: `Kind \`${kind}\`. Subscribed by \`sub\`, published as \`pub\`.`,
        parameters: Object.fromEntries([...(name.includes('{id}') ? ['id'] : []), ...query].map((key) => [key, {}])),
        messages: { [kind === 'log' ? 'item' : 'view']: { payload } },
      },
    ]),
  );
  const document = {
    asyncapi: '3.0.0',
    info: {
      title: 'Thrum realtime',
      version,
      description:
        'Socket.IO 4 protocol (Engine.IO 4) over WebSocket, namespace /. The rules of the receiver stand in docs/reference/protocol.md.',
      license: { name: 'MIT' },
    },
    defaultContentType: 'application/json',
    servers: { local: { host: 'localhost:3000', pathname: '/socket.io/', protocol: 'ws', protocolVersion: '13' } },
    channels: { socket: { address: '/', description: 'Every message is a Socket.IO event with one argument', messages }, ...topics },
    operations,
    components: { schemas: { Handshake: bare(Handshake, 'input'), Problem: bare(ProblemObject, 'output') } },
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}
