/**
 * `npm run project`: which tables follow the actors, and whether they are built. `-- --rebuild kind/name` (or `all`) builds one again from the
 * journal; on PostgreSQL while servers run. The embedded database belongs to its server: there `POST /v1/admin/projections/:kind/:name/rebuild`.
 * Exit code 1 when a table is not built, or a row could not be.
 */
import { parseArgs } from 'node:util';
import { projectionReport } from '../actors/projection.ts';
import { rebuild } from '../actors/rebuild.ts';
import { systemClock } from '../server/clock.ts';
import { checking, withStore } from './read-store.ts';

const line = (text: string): void => void process.stdout.write(`${text}\n`);

await checking(async () => {
  const { rebuild: wanted } = parseArgs({ options: { rebuild: { type: 'string' } } }).values;
  return withStore(
    async ({ store, kinds }) => {
      const all = [...kinds.values()].flatMap((rt) => rt.projections.map((declared) => ({ rt, declared })));
      const chosen = all.filter(({ declared }) => wanted === 'all' || declared.name === wanted);
      if (wanted !== undefined && chosen.length === 0)
        throw new Error(`there is no projection '${wanted}'; known: ${all.map(({ declared }) => declared.name).join(', ')}`);
      let failures = 0;
      for (const { rt, declared } of chosen) {
        const started = systemClock.mono();
        const { actors, failed, removed } = await rebuild({
          store,
          rt,
          declared,
          now: () => systemClock.wall(),
          next: async () => true,
          failed: (actor, error) => line(`  ${actor.kind}:${actor.id}: ${error instanceof Error ? error.message : String(error)}`),
          afresh: true,
        });
        failures += failed;
        const seconds = ((systemClock.mono() - started) / 1_000).toFixed(1);
        line(`${declared.name}: built from ${actors} actors in ${seconds} s, ${failed} failed, ${removed} rows of nobody removed`);
      }
      const report = await projectionReport(store.projections, kinds.values());
      for (const { projection, table, version, built } of report) {
        const at = built?.doneAt == null ? 'not built' : `built ${new Date(built.doneAt).toISOString()}`;
        line(
          `${projection} -> ${table}, version ${version}: ${built === undefined || built.version === version ? at : `of version ${built.version}, ${at}`}`,
        );
      }
      return failures === 0 && report.every(({ version, built }) => built?.version === version && built.doneAt !== null);
    },
    { write: wanted !== undefined },
  );
});
