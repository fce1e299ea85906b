/** Processor time of processes, from /proc: steadier than a rate where the machine is shared. Linux only. */
import { readdirSync, readFileSync } from 'node:fs';

/** kernel ticks are 10 ms on every Linux that Node runs on */
const TICK_MS = 10;

interface Times {
  readonly parent: number;
  /** ms of the process itself */
  readonly own: number;
  /** ms of its children that have ended */
  readonly ended: number;
}

function timesOf(pid: number): Times | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined; // the process has ended, or there is no /proc
  }
  const fields = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  const ticks = (from: number): number => ((fields[from] ?? 0) + (fields[from + 1] ?? 0)) * TICK_MS;
  return { parent: fields[1] ?? 0, own: ticks(11), ended: ticks(13) };
}

/** ms that a process has used so far, with all its children; undefined where that cannot be read. */
export function processorMs(pid: number): number | undefined {
  const self = timesOf(pid);
  if (self === undefined) return undefined;
  let sum = self.own + self.ended;
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const other = timesOf(Number(name));
    if (other?.parent === pid) sum += other.own;
  }
  return sum;
}

/** Bytes of memory that a process has now; undefined where that cannot be read. */
export function residentBytes(pid: number): number | undefined {
  try {
    const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kib === undefined ? undefined : Number(kib) * 1_024;
  } catch {
    return undefined;
  }
}

/** ms of processor time that the whole machine has used so far, all processes of all people together. */
export function machineMs(): number {
  const [, user = 0, nice = 0, system = 0, , , irq = 0, soft = 0] = (readFileSync('/proc/stat', 'utf8').split('\n')[0] ?? '')
    .split(/\s+/)
    .map(Number);
  return (user + nice + system + irq + soft) * TICK_MS;
}

export const parentOf = (pid: number): number | undefined => timesOf(pid)?.parent;
