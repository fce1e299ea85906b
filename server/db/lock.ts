/** A lock file that keeps two processes from opening one data directory. */
import { randomUUID } from 'node:crypto';
import { linkSync, readFileSync, renameSync, unlinkSync, writeFileSync } from 'node:fs';

export class LockedError extends Error {
  constructor(path: string, pid: number) {
    super(`the data directory is in use by process ${pid} (${path})`);
    this.name = 'LockedError';
  }
}

interface Holder {
  readonly pid: number;
  /** clock ticks since boot at which the process started, where the system tells; pids are used again, above all in containers */
  readonly started: string | null;
  readonly token: string;
}

/** Field 22 of /proc/<pid>/stat; the second field may hold blanks and brackets. */
function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}

function isAlive({ pid, started }: Holder): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  return started === null || startOf(pid) === started;
}

function read(path: string): Holder | undefined {
  try {
    const text = readFileSync(path, 'utf8');
    const holder = JSON.parse(text) as Partial<Holder>;
    if (typeof holder.pid === 'number' && typeof holder.token === 'string') return { started: null, ...holder } as Holder;
    return { pid: 0, started: null, token: text };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    if (error instanceof SyntaxError) return { pid: 0, started: 'never', token: '' };
    throw error;
  }
}

/**
 * Takes the lock; a lock whose process is gone is taken over. Processes are told apart within one pid name space, so a directory must not be
 * shared by containers that run at the same time.
 *
 * @returns the function that releases it
 * @throws LockedError
 */
export function takeLock(path: string): () => void {
  const mine: Holder = { pid: process.pid, started: startOf(process.pid), token: randomUUID() };
  const draft = `${path}.${mine.token}`;
  for (;;) {
    writeFileSync(draft, JSON.stringify(mine));
    try {
      linkSync(draft, path); // atomic, and the content is complete at once
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    } finally {
      unlinkSync(draft);
    }
    const holder = read(path);
    if (!holder) continue;
    if (holder.pid !== 0 && isAlive(holder)) throw new LockedError(path, holder.pid);
    putAside(path, holder);
  }
  return () => {
    if (read(path)?.token === mine.token) unlinkSync(path);
  };
}

/** Removes a stale lock. Another process may have replaced it meanwhile; then what was moved away is put back. */
function putAside(path: string, stale: Holder): void {
  const aside = `${path}.${randomUUID()}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  try {
    if (read(aside)?.token !== stale.token) linkSync(aside, path);
  } finally {
    unlinkSync(aside);
  }
}
