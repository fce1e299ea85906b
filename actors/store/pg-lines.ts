/**
 * The connections of one store. What takes one of them often takes the others, and a connection at rest does not notice: its next statement
 * would wait for an answer that never comes, longer than any caller.
 */
export interface Line {
  /** Gives its connection up, unless a statement is under way on it, which has a limit of its own. */
  leave(): void;
}

export class PgLines {
  readonly #lines: Line[] = [];

  add(line: Line): void {
    this.#lines.push(line);
  }

  /** One has failed. Those at rest connect again when they are needed. */
  lost(): void {
    for (const line of this.#lines) line.leave();
  }
}
