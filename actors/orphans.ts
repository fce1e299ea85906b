/**
 * Work of slots that nobody may be there for (kernel specification 10.7). A node that roams does not know who lives. It takes up what has been
 * overdue for so long that a living node would have done it, each row for itself alone; and a node that lives keeps the rows of what it is still
 * busy with from looking like that.
 */

/** overdue for longer: left behind, ms */
export const ORPHAN_MS = 30_000;

/** how far a node that roams moves the rows of its effects ahead, so that the owner of their slot, if there is one, leaves them to it, ms */
export const AHEAD_MS = 30_000;

/** How far ahead of now the rows of effects are that this node works on, ms. */
export const aheadOf = (placement: { readonly roaming: boolean } | undefined): number => (placement?.roaming === true ? AHEAD_MS : 0);
