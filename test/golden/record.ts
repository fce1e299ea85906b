/**
 * `npm run golden`: records the journals of the scenario, one file per kind and version. A recording that exists is never written again: it is
 * what that version did.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { emptyState, fold } from '../../actors/patch.ts';
import type { Patch } from '../../actors/patch.ts';
import type { RecordedRow } from '../../actors/store/scan.ts';
import type { ActorState } from '../../actors/types.ts';
import { kinds } from '../../machines/kinds.ts';
import { runScenario } from './scenario.ts';

const FOLDER = 'test/golden';

/** One actor of a recording: a line of the file. */
export interface Recorded {
  readonly ref: string;
  readonly state: ActorState;
  readonly rows: readonly RecordedRow[];
}

export interface Recording {
  readonly kind: string;
  readonly version: number;
  readonly actors: readonly Recorded[];
}

const fileOf = (kind: string, version: number): string => `${FOLDER}/${kind}.${version}.jsonl`;

export function recordings(): Recording[] {
  return readdirSync(FOLDER).flatMap((name) => {
    const [, kind, version] = /^([a-z]+)\.(\d+)\.jsonl$/.exec(name) ?? [];
    if (kind === undefined) return [];
    const lines = readFileSync(`${FOLDER}/${name}`, 'utf8').trimEnd().split('\n');
    return [{ kind, version: Number(version), actors: lines.map((line) => JSON.parse(line) as Recorded) }];
  });
}

async function main(): Promise<void> {
  const missing = kinds.filter(({ kind, version }) => !existsSync(fileOf(kind, version)));
  if (missing.length === 0) return;
  const { store } = await runScenario();
  for (const { kind, version } of missing) {
    const lines: string[] = [];
    for (const { actorId, id } of await store.scan.actors({ kind, limit: 100 })) {
      const rows = await store.scan.rows(actorId, { after: 0, limit: 1_000 });
      const state = fold(
        emptyState,
        rows.map((row) => row.patch as Patch),
      );
      lines.push(JSON.stringify({ ref: `${kind}:${id}`, state, rows } satisfies Recorded));
    }
    writeFileSync(fileOf(kind, version), `${lines.join('\n')}\n`);
    process.stdout.write(`wrote ${fileOf(kind, version)}: ${lines.length} actors\n`);
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();
