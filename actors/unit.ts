import type { CommitUnit } from './committer.ts';
import type { Envelope } from './envelope.ts';
import type { Live } from './runtime.ts';
import type { Step } from './step.ts';
import type { Reply } from './types.ts';

/** An uncommitted event of an actor with everything that leaves when it is durable. */
export interface Unit extends CommitUnit {
  readonly envelope: Envelope;
  readonly steps: readonly Step[];
  readonly next: Live;
  readonly reply: Reply;
  /** answers computed on this state: they leave with it */
  readonly waiters: { readonly envelope: Envelope; readonly reply: Reply }[];
}
