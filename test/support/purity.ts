/**
 * Purity of machines, held wherever a test builds a system (kernel 4.4): while a macrostep runs, clocks, timers and chance throw, and every
 * macrostep runs twice and must give the same. The second run has a runner of its own, so that what the first one counts or traces is its own.
 */
import { historyOf, MachineRunner } from '../../actors/machine.ts';
import type { MacrostepResult } from '../../actors/machine.ts';
import { scopeNow, self, withScope } from '../../actors/scope.ts';

const refuse = (name: string) => (): never => {
  throw new Error(`${name} in a macrostep; time, identity and chance come from actors/scope.ts`);
};

const RealDate = Date;

/** Dates of given times are data; the present one is not. */
class GivenDate extends RealDate {
  constructor(...args: unknown[]) {
    if (args.length === 0) refuse('new Date()')();
    super(...(args as [number]));
  }

  static override now = refuse('Date.now()');
}

const forbidden: readonly [object: object, name: string, value: unknown][] = [
  [globalThis, 'Date', GivenDate],
  [Math, 'random', refuse('Math.random()')],
  [performance, 'now', refuse('performance.now()')],
  [globalThis, 'setTimeout', refuse('setTimeout()')],
  [globalThis, 'setInterval', refuse('setInterval()')],
  [globalThis, 'setImmediate', refuse('setImmediate()')],
  [globalThis, 'queueMicrotask', refuse('queueMicrotask()')],
  [globalThis.crypto, 'randomUUID', refuse('crypto.randomUUID()')],
  [globalThis.crypto, 'getRandomValues', refuse('crypto.getRandomValues()')],
  [process, 'hrtime', refuse('process.hrtime()')],
];

let running = false;

function alone<T>(fn: () => T): T {
  if (running) return fn();
  const kept = forbidden.map(([object, name]) => Object.getOwnPropertyDescriptor(object, name));
  for (const [object, name, value] of forbidden) Object.defineProperty(object, name, { value, configurable: true, writable: true });
  running = true;
  try {
    return fn();
  } finally {
    running = false;
    for (const [i, [object, name]] of forbidden.entries()) {
      const own = kept[i];
      if (own === undefined) Reflect.deleteProperty(object, name);
      else Object.defineProperty(object, name, own);
    }
  }
}

/** Everything that the kernel reads of a macrostep, as text. */
function textOf({ snapshot, actions, handled }: MacrostepResult): string {
  const { value, status, context, output } = snapshot;
  const children = Object.keys(snapshot.children);
  const seen = { value, status, context, output, history: historyOf(snapshot), children, actions, handled };
  return JSON.stringify(seen, (key, inner: unknown) => (key === 'actorRef' || typeof inner === 'function' ? undefined : inner));
}

const twins = new WeakMap<MachineRunner, MachineRunner>();

function twinOf(runner: MachineRunner): MachineRunner {
  let twin = twins.get(runner);
  if (twin === undefined) twins.set(runner, (twin = new MachineRunner(runner.machine)));
  return twin;
}

function twice(runner: MachineRunner, run: (r: MachineRunner) => MacrostepResult): MacrostepResult {
  const first = alone(() => run(runner));
  if (runner.constructor !== MachineRunner) return first; // one that tells what it does: its machine would tell of the second run too
  const text = textOf(first);
  const second = textOf(alone(() => withScope(scopeNow(), () => run(twinOf(runner)))));
  if (second !== text) throw new Error(`a macrostep of ${self()} gives something else the second time:\n  ${text}\n  ${second}`);
  return first;
}

// oxlint-disable-next-line typescript/unbound-method -- called with the runner below
const { step, initial } = MachineRunner.prototype;
MachineRunner.prototype.step = function (snapshot, event) {
  return twice(this, (r) => step.call(r, snapshot, event));
};
MachineRunner.prototype.initial = function (input) {
  return twice(this, (r) => initial.call(r, input));
};
