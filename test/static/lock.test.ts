import { readFileSync } from 'node:fs';
import test from 'ava';
import { createMachine } from 'xstate';
import type { AnyStateMachine } from 'xstate';
import { definitionHash } from '../../actors/checks.ts';
import { kinds } from '../../machines/kinds.ts';
import { LOCK_FILE, lockOf } from '../../scripts/lock.ts';
import type { Lock } from '../../scripts/lock.ts';

test('every machine is the one that machines.lock.json holds under its version', (t) => {
  const text = readFileSync(LOCK_FILE, 'utf8');
  const { lock, changed } = lockOf(JSON.parse(text) as Lock, kinds);
  t.deepEqual(changed, []);
  t.is(`${JSON.stringify(lock, null, 2)}\n`, text, 'npm run lock');
});

const door = (guard: string, o: { reversed?: boolean } = {}): AnyStateMachine => {
  const states = { shut: { on: { 'door.open': { guard, target: 'open' } } }, open: { after: { 5_000: 'shut' } } };
  return createMachine({
    id: 'door',
    initial: 'shut',
    states: o.reversed === true ? Object.fromEntries(Object.entries(states).reverse()) : states,
  }) as AnyStateMachine;
};

test('a machine that changes under the same version is reported, and the lock keeps the hash that was deployed', (t) => {
  const entry = (version: number, guard: string) => ({ kind: 'door', version, hash: definitionHash(door(guard)) });
  const { lock } = lockOf({}, [entry(1, 'isFree')]);
  t.deepEqual(lockOf(lock, [entry(1, 'isFree')]), { lock, changed: [] });
  const later = lockOf(lock, [entry(1, 'isMine')]);
  t.regex(later.changed[0] ?? '', /'door' has changed, but its version is 1/);
  t.deepEqual(later.lock, lock);
  t.deepEqual(Object.keys(lockOf(lock, [entry(2, 'isMine')]).lock['door'] ?? {}), ['1', '2']);
});

test('the order in which states are written is no change of the machine', (t) => {
  t.is(definitionHash(door('isFree')), definitionHash(door('isFree', { reversed: true })));
  t.not(definitionHash(door('isFree')), definitionHash(door('isMine')));
});
