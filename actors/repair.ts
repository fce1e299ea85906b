/**
 * What the check of a store can put right: rows that follow from the history and nothing else. Histories themselves, messages and companion rows are
 * never touched. Every repair has an entry in the audit, written before or with it; no server may run.
 */
import { newCid } from './committer.ts';
import type { ProjectedRow } from './store/projections.ts';
import type { Batch, JournalStore, SnapshotRow, TimerChange } from './store/store.ts';

type Entry = Parameters<JournalStore['touch']>[0][number];
type Gone = Batch['timersGone'][number];

export type Repair =
  | { readonly of: 'directory'; readonly entry: Entry }
  | { readonly of: 'timer'; readonly set?: Required<TimerChange>; readonly gone?: Gone }
  | { readonly of: 'snapshot'; readonly row: SnapshotRow }
  | { readonly of: 'projection'; readonly projection: string; readonly row: ProjectedRow };

export interface Repairer {
  /** who asked for it, for the audit */
  readonly by: string;
  readonly reason: string;
  readonly random: () => number;
}

/** for people: what would be done */
export function repairText(r: Repair): string {
  if (r.of === 'directory') return `set the directory to event ${r.entry.lastSeq}, ${r.entry.state}`;
  if (r.of === 'snapshot') return `write the snapshot at ${r.row.seq} anew`;
  if (r.of === 'timer')
    return r.set === undefined ? `remove the row of the timer ${r.gone?.timerId}` : `write the row of the timer ${r.set.timerId}`;
  return r.row.row === null ? `remove the row of ${r.projection}` : `write the row of ${r.projection} anew`;
}

const actorOf = (r: Repair): string => {
  if (r.of === 'directory') return r.entry.actorId;
  if (r.of === 'timer') return r.set?.actorId ?? r.gone?.actorId ?? '';
  return r.row.actorId;
};

/** Audits, then writes; all of it may be repeated. @throws StoreError */
export async function applyRepair(store: JournalStore, r: Repair, { by, reason, random }: Repairer): Promise<void> {
  const detail = { of: r.of, what: repairText(r) };
  await store.admin.audit({ admin: by, action: 'fsck.repair', actorId: actorOf(r), beforeSeq: null, afterSeq: null, reason, detail });
  if (r.of === 'directory') return void (await store.touch([r.entry]));
  if (r.of === 'snapshot') return store.saveSnapshots([r.row]);
  if (r.of === 'projection') return store.projections.write(r.projection, [r.row]);
  const lane = await store.openLane(0);
  try {
    await lane.commit({
      cid: newCid(random),
      journal: [],
      born: [],
      timersSet: r.set === undefined ? [] : [r.set],
      timersGone: r.gone === undefined ? [] : [r.gone],
      outbox: [],
      outboxDone: [],
      companions: [],
    });
  } finally {
    await lane.close();
  }
}
