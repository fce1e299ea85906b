import test from 'ava';
import { and, createMachine, not, or } from 'xstate';
import { definitionOf } from '../../actors/machine.ts';

const guarded = (guard: unknown) =>
  definitionOf(createMachine({ id: 'm', on: { go: { guard: guard as string } } }).root).on?.go?.[0]?.guard;

test('a composed guard stands by what it composes, so that a change inside it is a change of the definition', (t) => {
  t.is(guarded(and(['rested', 'unlimited'])), 'rested and unlimited');
  t.is(guarded(not('late')), 'not late');
  t.is(guarded(or([and(['a', 'b']), not(or(['c', { type: 'd' }]))])), '(a and b) or not (c or d)');
});
