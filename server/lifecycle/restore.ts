/** The last steps of a restore, before any server starts on the database (runbook in docs/ops/operations.md). */
import { randomBytes } from 'node:crypto';
import type { Knex } from 'knex';
import { newCid } from '../../actors/committer.ts';
import { pseudonymOf } from '../../actors/ids.ts';
import { actorPages } from '../../actors/store/scan.ts';
import type { JournalStore } from '../../actors/store/store.ts';
import type { ErasureLine } from './erasures.ts';

export interface RestoreDeps {
  readonly store: JournalStore;
  readonly knex: Knex;
  /** key of the hashes in the register */
  readonly key: string;
  readonly register: readonly ErasureLine[];
  /** version of the machine of each kind */
  readonly versions: ReadonlyMap<string, number>;
  /** epoch ms */
  readonly now: () => number;
  readonly random: () => number;
}

export interface Restored {
  /** actors that the backup had not forgotten yet */
  readonly erased: number;
  /** name of the history from now on, 32 hexadecimal digits */
  readonly dataId: string;
}

/**
 * Erases again whom the register names, then replaces the data id: numbers that clients have seen before the restore may come again with other
 * content, and under the new id no cursor of theirs is believed. The id comes last, so a run that fails is to be repeated.
 *
 * @throws Error when an actor to erase is of a kind that this build does not know
 */
export async function finishRestore(d: RestoreDeps): Promise<Restored> {
  const names = new Set(d.register.map((line) => line.ref));
  let erased = 0;
  for await (const page of names.size > 0 ? actorPages(d.store.scan) : []) {
    for (const { actorId, kind, id } of page) {
      const pseudonym = pseudonymOf(d.key, `${kind}:${id}`);
      if (!names.has(pseudonym)) continue;
      const mver = d.versions.get(kind);
      if (mver === undefined) throw new Error(`the register names an actor of the unknown kind '${kind}'`);
      const reason = 'was erased before the restore';
      const done = await d.store.lifecycle.erase({
        actorId,
        kind,
        pseudonym,
        mver,
        at: d.now(),
        cid: newCid(d.random),
        by: 'restore',
        reason,
      });
      if (done?.fresh === true) erased += 1;
    }
  }
  const dataId = randomBytes(16);
  await d.knex('thrum_data').update({ data_id: dataId, since: d.knex.fn.now() });
  return { erased, dataId: dataId.toString('hex') };
}
