/** `npm run churn -- [--minutes 10] [--rate 50]`. Ends with 1 when the heap grows by more than 1 MiB a minute, or something is left when all have gone. */
import { parseArgs } from 'node:util';
import { churn, left, mib, perMinute } from './churn.ts';

const MOST_PER_MINUTE = 1_048_576;
const say = (line: string): void => void process.stdout.write(`${line}\n`);

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '10' }, rate: { type: 'string', default: '50' } } });
const churned = await churn({ ms: Number(values.minutes) * 60_000, perSecond: Number(values.rate), steady: 100, lookMs: 10_000 }, say);
const { opened, before, after, samples } = churned;
const growth = perMinute(samples);
say(
  `${opened} connections; the heap grows by ${mib(growth)} a minute under churn; at rest ${mib(before.heap)} before, ${mib(after.heap)} after`,
);
const wrong = [...left(before, after), ...(growth < MOST_PER_MINUTE ? [] : ['the heap grows'])];
say(wrong.length === 0 ? 'within the bounds' : `beyond the bounds:\n  ${wrong.join('\n  ')}`);
process.exitCode = wrong.length === 0 ? 0 : 1;
