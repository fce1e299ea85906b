import type { Clock } from '../actors/types.ts';

/** The clock of the machine. Timers longer than 24 days are armed in pieces. */
const LONGEST_MS = 2 ** 31 - 1;

interface Handle {
  timer: NodeJS.Timeout;
}

export const systemClock: Clock = {
  wall: () => Date.now(),
  mono: () => performance.now(),
  computed: () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1_000;
  },
  setTimer(ms, fn) {
    const arm = (left: number): NodeJS.Timeout =>
      left > LONGEST_MS ? setTimeout(() => void (handle.timer = arm(left - LONGEST_MS)), LONGEST_MS) : setTimeout(fn, left);
    const handle: Handle = { timer: arm(Math.max(0, ms)) };
    return handle;
  },
  clearTimer: (handle) => clearTimeout((handle as Handle | undefined)?.timer),
};
