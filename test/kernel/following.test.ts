import test from 'ava';
import { servingOf } from '../../actors/cluster.ts';
import { refusal } from '../../actors/errors.ts';
import type { Interests } from '../../actors/interests.ts';
import type { Node } from '../../actors/node.ts';
import type { Json, Principal, Refusal } from '../../actors/types.ts';

const reader = (id: string): Principal => ({ kind: 'user', id, roles: [] });

test('a node that asks whether its readers may follow a topic hears of changes from then on, if one of them may', async (t) => {
  const heard: unknown[] = [];
  const may = new Set(['ada']);
  const node = {
    refused: async (_: string, readers: readonly Principal[]) =>
      new Map<Principal, Refusal>(readers.flatMap((p) => (may.has(p.id) ? [] : [[p, refusal('NOT_FOUND')] as const]))),
  };
  const interests = { heard: (...told: unknown[]) => void heard.push(told) };
  const serving = servingOf(node as unknown as Node, interests as unknown as Interests);
  const ask = (topic: string, readers: readonly Principal[]): Promise<Json> =>
    serving.ask(
      { f: 'ask', rid: 1, slot: 1, epoch: 1, left: 1_000, question: { method: 'refused', args: [topic, readers as unknown as Json] } },
      'other',
    );
  t.is(((await ask('user:1/mood', [reader('eve')])) as unknown[]).length, 1);
  t.deepEqual(heard, [], 'strangers make nobody follow anything');
  t.is(((await ask('user:1/mood', [reader('eve'), reader('ada')])) as unknown[]).length, 1);
  t.deepEqual(heard, [['other', ['user:1/mood'], true]]);
});
