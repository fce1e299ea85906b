import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { HOT_BYTES, slope, WARM_BYTES } from '../../bench/soak.ts';
import type { Soaked } from '../../bench/soak.ts';

test('20,000 actors stay within their bounds of heap, hot and warm, and the heap does not grow while some of them work', async (t) => {
  t.timeout(120_000);
  const child = fork(fileURLToPath(new URL('../../bench/soak-child.js', import.meta.url)), ['20000', '4000'], {
    execArgv: ['--expose-gc'],
  });
  const { hot, warm, outside, samples } = await new Promise<Soaked>((resolve, reject) => {
    child.once('message', (message) => resolve(message as Soaked));
    child.once('exit', (code) => reject(new Error(`the soak ended with ${code}`)));
  });
  t.log(`heap of an actor: hot ${Math.round(hot)}, warm ${Math.round(warm)} bytes, ${Math.round(outside)} outside`);
  t.true(hot <= HOT_BYTES, `hot: ${hot}`);
  t.true(warm <= WARM_BYTES, `warm: ${warm}`);
  t.true(samples.length > 0);
});

test('growth is measured by least squares, as a part of the mean in ten minutes', (t) => {
  const at = (minute: number, heap: number) => ({ at: minute * 60_000, heap, rss: 100 });
  const samples = Array.from({ length: 31 }, (_, minute) => at(minute, 1_000 + minute));
  t.true(Math.abs(slope(samples, 'heap') - 10 / 1_020.5) < 1e-4);
  t.is(slope(samples, 'rss'), 0);
});
