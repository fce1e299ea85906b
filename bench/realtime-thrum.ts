/** Child of the realtime bench: the whole server with one kind that is measured; the journal in memory, or in the PostgreSQL that is named. */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JournalStore } from '../actors/store/store.ts';
import { createMemoryStore } from '../actors/store/mem.ts';
import { user } from '../machines/user/kind.ts';
import { buildApp } from '../server/app.ts';
import { readConfig } from '../server/config.ts';
import { board, BOARDS, stampNow } from './board.ts';
import { serve, spread } from './realtime-server.ts';
import { benchLog } from './system.ts';
import { unlimited } from './unlimited.ts';

const [databaseUrl] = process.argv.slice(2);

/** stamp of the publication under way, and the stamps of those that are committed with the moment of their commit */
let under = 0;
let commits: [number, number][] = [];

/** The store, with a note of each commit. */
function noted<S extends JournalStore>(store: S): S {
  const openLane: JournalStore['openLane'] = async (n) => {
    const lane = await store.openLane(n);
    const commit: typeof lane.commit = async (batch) => {
      await lane.commit(batch);
      commits.push([under, stampNow()]);
    };
    return { ...lane, commit };
  };
  return { ...store, openLane };
}

const app = await buildApp(
  readConfig({
    PORT: '0',
    HOST: '127.0.0.1',
    DATA_DIR: await mkdtemp(join(tmpdir(), 'thrum-bench-')),
    DEMO: 'off',
    LOG_LEVEL: 'silent',
    ...unlimited,
    ...(databaseUrl === undefined ? {} : { DATABASE_URL: databaseUrl }),
  }),
  {
    log: benchLog,
    kinds: [board, user],
    effects: { user: { computeScores: () => Promise.resolve({ results: [], changed: 0 }) } },
    ...(databaseUrl === undefined ? { store: (registry) => noted(createMemoryStore({ registry })) } : {}),
  },
);
const { url } = await app.start();
const person = { email: 'bench@example.test', password: 'correct horse bench', displayName: 'Bench', timeZone: 'UTC' };
await app.identity.users.create(person);
const { accessToken } = await app.identity.login({ ...person, address: 'bench', userAgent: undefined });

let keys = 0;
const mark = async (text: string, to = 'b'): Promise<void> => {
  keys += 1;
  under = stampNow();
  const command = { type: 'board.mark', stamp: under, text };
  const reply = await app.actors.ask(`board:${to}`, command, { key: `mark-${keys}`, from: { kind: 'system', id: 'bench', roles: [] } });
  if (!reply.ok) throw new Error(reply.error.code);
};
await mark('first');
for (let i = 0; i < BOARDS; i += 1) await mark('first', String(i));

let took: number[] = [];
const ask = app.actors.ask.bind(app.actors);
app.actors.ask = async (ref, command, o) => {
  const began = performance.now();
  const reply = await ask(ref, command, o);
  took.push(performance.now() - began);
  return reply;
};
serve(
  (text) => mark(text),
  { port: Number(new URL(url).port), token: accessToken },
  {
    asks() {
      const all = spread(took);
      took = [];
      return all;
    },
    commits() {
      const all = commits;
      commits = [];
      return all;
    },
  },
);
