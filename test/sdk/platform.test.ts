import test from 'ava';
import { watchPlatform } from '#sdk/platform';
import { fakeTimers } from './bench.ts';

const world = globalThis as unknown as {
  document?: { visibilityState: string };
  addEventListener?: unknown;
  removeEventListener?: unknown;
};

test.serial('a page says when it is looked at, when somebody moves in it once a minute, and when it comes back (R11, R12)', async (t) => {
  const listeners = new Map<string, () => void>();
  const document = { visibilityState: 'visible' };
  Object.assign(world, {
    document,
    addEventListener: (event: string, fn: () => void) => listeners.set(event, fn),
    removeEventListener: (event: string) => listeners.delete(event),
  });
  t.teardown(() => {
    delete world.document;
    delete world.addEventListener;
    delete world.removeEventListener;
  });
  const timers = fakeTimers();
  const [wakes, sights]: [number[], object[]] = [[], []];
  const stop = watchPlatform(
    timers,
    (hiddenMs) => wakes.push(hiddenMs),
    (sight) => sights.push(sight),
  );
  t.deepEqual(sights, [{ visible: true, input: undefined }]);
  listeners.get('pointerdown')?.();
  listeners.get('keydown')?.();
  const minute = timers.now() - (timers.now() % 60_000);
  t.deepEqual(sights.slice(1), [{ visible: true, input: minute }], 'once a minute');
  await timers.advance(60_000);
  listeners.get('keydown')?.();
  t.deepEqual(sights.slice(2), [{ visible: true, input: minute + 60_000 }]);
  document.visibilityState = 'hidden';
  listeners.get('visibilitychange')?.();
  t.like(sights.at(-1), { visible: false });
  t.deepEqual(wakes, []);
  await timers.advance(90_000);
  document.visibilityState = 'visible';
  listeners.get('visibilitychange')?.();
  t.like(sights.at(-1), { visible: true });
  t.deepEqual(wakes, [90_000]);
  stop();
  t.is(listeners.size, 0);
});

test.serial('outside of pages nothing is watched', (t) => {
  const never = (): void => t.fail();
  watchPlatform(fakeTimers(), never, never)();
  t.pass();
});
