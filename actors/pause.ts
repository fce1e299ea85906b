/** What operators have stopped beyond single actors: everything, a kind, a slot. A single actor is paused by its status in the directory. */
import { refusal } from './errors.ts';
import type { PauseRow } from './store/admin.ts';
import type { Refusal } from './types.ts';

const LATER_MS = 30_000;

/** `all`, `kind:<kind>` or `slot:<n>` */
export type PauseScope = 'all' | `kind:${string}` | `slot:${number}`;

/** A copy of the table `thrum_pause`. `replace` it whenever the table has changed, whoever changed it. */
export class Pauses {
  #byScope: ReadonlyMap<string, Refusal> = new Map();

  replace(rows: readonly PauseRow[]): void {
    const details = (row: PauseRow): Refusal => refusal('ACTOR_PAUSED', row.reason, { scope: row.scope }, LATER_MS);
    this.#byScope = new Map(rows.map((row) => [row.scope, details(row)]));
  }

  /** Why actors of the kind in the slot run nothing; undefined when they do. */
  of(kind: string, slot: number): Refusal | undefined {
    if (this.#byScope.size === 0) return undefined;
    return this.#byScope.get('all') ?? this.#byScope.get(`kind:${kind}`) ?? this.#byScope.get(`slot:${slot}`);
  }
}
