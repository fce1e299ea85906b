import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { growing, leftByCommand, slope, untidy } from '../../bench/soak.ts';
import type { Sample, Soaked } from '../../bench/soak.ts';
import { HOT_BYTES, LEFT_BYTES, WARM_BYTES } from '../../bench/soak-bounds.ts';

test('20,000 actors stay within their bounds of heap, hot and warm; while some of them work, neither the heap nor the database grows', async (t) => {
  t.timeout(600_000);
  const child = fork(fileURLToPath(new URL('../../bench/soak-child.js', import.meta.url)), [], { execArgv: ['--expose-gc'] });
  const soaked = await new Promise<Soaked | { skip: string }>((resolve, reject) => {
    child.once('message', (message) => resolve(message as Soaked));
    child.once('exit', (code) => reject(new Error(`the soak ended with ${code}`)));
  });
  if ('skip' in soaked) {
    t.log(soaked.skip);
    t.pass();
    return;
  }
  const { hot, warm, outside, samples, rest } = soaked;
  const left = leftByCommand(samples);
  t.log(`heap of an actor: hot ${Math.round(hot)}, warm ${Math.round(warm)} bytes, ${Math.round(outside)} outside`);
  t.log(`a command leaves ${left.toFixed(1)} bytes on the heap`);
  t.true(hot <= HOT_BYTES, `hot: ${hot}`);
  t.true(warm <= WARM_BYTES, `warm: ${warm}`);
  t.true(left <= LEFT_BYTES, `a command leaves ${left} bytes on the heap`);
  t.deepEqual(untidy(rest), [], 'autovacuum can clear what is dead, and nothing is left over');
  for (const { table, vacuums } of rest.tables) if (table === 'thrum_outbox') t.true(vacuums > 0, 'autovacuum was there');
});

const table = (dead: number, size = 8_192, name = 'thrum_outbox') => ({ table: name, live: 0, dead, size, vacuums: 1 });
const sample = (minute: number, heap: number, dead = 0, size = 8_192): Sample => ({
  at: minute * 60_000,
  commands: minute * 1_000,
  heap,
  rss: 100,
  database: { tables: [table(dead, size)], prepared: 1, backends: 1 },
});

test('growth of memory is a part of the median in ten minutes, whatever one odd sample says, and a number of bytes for each command', (t) => {
  const samples = Array.from({ length: 31 }, (_, minute) => sample(minute, 1_000 + minute));
  t.true(Math.abs(slope(samples, (s) => s.heap) - 10 / 1_020.5) < 1e-4);
  t.true(Math.abs(slope([...samples.slice(0, 30), sample(30, 9_000)], (s) => s.heap) - 10 / 1_020.5) < 1e-4);
  t.is(
    slope(samples, (s) => s.rss),
    0,
  );
  t.true(Math.abs(leftByCommand(samples) - 0.001) < 1e-9);
  t.true(leftByCommand(Array.from({ length: 9 }, (_, i) => sample(i, 50_000_000 + 100_000 * i))) > LEFT_BYTES);
});

test('a table grows when its last third has clearly more dead rows, or bytes, than its middle one', (t) => {
  const rounds = (of: (i: number) => Sample) => growing(Array.from({ length: 9 }, (_, i) => of(i)));
  t.deepEqual(
    rounds((i) => sample(i, 1, (i % 3) * 4_000, 1_000_000)),
    [],
    'up and down with each visit of autovacuum',
  );
  t.deepEqual(
    rounds((i) => sample(i, 1, i * 3_000)),
    ['thrum_outbox: dead from 15000 to 24000'],
  );
  t.deepEqual(
    rounds((i) => sample(i, 1, 0, i * 4_000_000)),
    ['thrum_outbox: size from 20000000 to 32000000'],
  );
});

test('at rest nothing may be left that nobody can clear', (t) => {
  const look = (...tables: ReturnType<typeof table>[]) => untidy({ tables, prepared: 0, backends: 0 });
  t.deepEqual(look(table(40), table(900, 1, 'thrum_actor')), ['thrum_actor: 900 dead rows']);
  t.deepEqual(look({ ...table(0), live: 3 }), ['thrum_outbox: 3 rows left']);
});
