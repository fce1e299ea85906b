/**
 * The runner of a cluster. Rows of the table are relayed to Bull, which wakes the node that has room; the node then takes the row, as the
 * embedded runner does. The table stays the record and the lock, Redis only says who looks when:
 *
 * - relayed twice (a node dies between the add and the mark): Bull knows the id already, or the row is done and nobody takes it;
 * - forgotten by an emptied Redis: what was due half a minute ago and has not begun is added again, and woken if Bull lets it sleep;
 * - its queue was stopped: no node takes the row, and Bull on this node leaves the queue alone;
 * - Redis is away: each node takes such jobs from the table itself, as the embedded runner does.
 *
 * Waits between attempts are the rows' own; Bull's copy of the job sleeps as long.
 */
import Bull from 'bull';
import type { Redis } from 'ioredis';
import type { RedisClient } from '../redis/client.ts';
import type { RedisKeys } from '../redis/keys.ts';
import type { Jobs } from './jobs.ts';
import { pauseQueue, queuePauses, resumeQueue } from './operate.ts';
import { claimOne, markRelayed, overdue, readyAt, unrelayed } from './rows.ts';
import type { Claimed, Relayed } from './rows.ts';
import { createRunner } from './runner.ts';
import type { RunnerDeps } from './runner.ts';
import { createTaker } from './taker.ts';

export interface BullDeps extends RunnerDeps {
  readonly redis: RedisClient;
  readonly keys: Pick<RedisKeys, 'queues' | 'deadJobs'>;
  /** ms after which a due job that has not begun is taken for forgotten; default 30,000 */
  readonly forgottenMs?: number;
}

const PAGE = 500;
const DEAD_KEPT = 1_000;
const RECONCILE_MS = 5_000;
const CLOSE_MS = 2_000;
/** the wait when the database or the outcome is out of reach, or somebody else has the row */
const UNKNOWN_MS = 1_000;
/** how often Bull listens to the errors of one connection for one queue: always, and until it is ready */
const LISTENS = 2;

/** Thrown to Bull: this attempt is over, wake somebody again after so many ms. */
class Later extends Error {
  readonly ms: number;

  constructor(ms: number) {
    super('later');
    this.ms = Math.max(1, Math.ceil(ms));
  }
}

/** Bull serves 1 before 2; ours is the other way round. */
const priorityOf = (priority: number): number => Math.max(1, 1_000_000 - priority);

export function createBullJobs(deps: BullDeps): Jobs {
  const { knex, clock, log, redis, keys } = deps;
  const forgottenMs = deps.forgottenMs ?? 30_000;
  const runner = createRunner(deps, () => undefined);
  const names = [...runner.queues.keys()];
  const queues = new Map<string, Bull.Queue>();
  const reachable = (): boolean => redis.commands.status === 'ready';
  /** Nobody wakes anybody: what is late enough is taken from the table. */
  const takeAlone = createTaker({ knex, clock, log, runner, lateMs: forgottenMs, may: () => !reachable() });
  /** those that Bull leaves alone on this node */
  const stopped = new Set<string>();
  let relaying: Promise<void> | undefined;
  let more = false;

  async function add(rows: readonly Relayed[]): Promise<void> {
    const now = clock.wall();
    for (const [name, queue] of queues) {
      const jobs = rows
        .filter((r) => r.queue === name)
        .map((r) => ({ data: {}, opts: { jobId: r.job_id, delay: Math.max(0, Math.ceil(r.at - now)), priority: priorityOf(r.priority) } }));
      if (jobs.length > 0) await queue.addBulk(jobs);
    }
    const ids = rows.map((r) => r.job_id);
    await markRelayed(knex, ids, now);
  }

  /** Hands on what is new; asked again while it runs, it looks again. */
  function relay(): Promise<void> {
    more = true;
    return (relaying ??= runner.asked(relayAll()).finally(() => {
      relaying = undefined;
    }));
  }

  async function relayAll(): Promise<void> {
    while (more && runner.running && reachable()) {
      more = false;
      const rows = await unrelayed(knex, names, PAGE);
      if (rows.length > 0) await add(rows);
      more ||= rows.length === PAGE;
    }
  }

  async function reconcile(): Promise<void> {
    if (!reachable()) return void (await Promise.all(names.map(takeAlone)));
    const rows = await overdue(knex, names, clock.wall() - forgottenMs, PAGE);
    if (rows.length === 0) return;
    await add(rows);
    await Promise.all(rows.map((r) => rouse(r.queue, r.job_id)));
  }

  /** Bull lets the job sleep for longer than its row says. */
  async function rouse(queue: string, jobId: string): Promise<void> {
    try {
      const job = await queues.get(queue)?.getJob(jobId);
      await job?.promote();
    } catch (err) {
      log.debug({ err, queue, jobId }, 'a job does not sleep in bull, or redis is away');
    }
  }

  async function keepPauses(): Promise<void> {
    const paused = await queuePauses(knex);
    for (const [name, queue] of queues) {
      if (paused.has(name) === stopped.has(name)) continue;
      if (paused.has(name)) stopped.add(name);
      else stopped.delete(name);
      const turned = paused.has(name) ? queue.pause(true, true) : queue.resume(true);
      turned.catch((err: unknown) => log.debug({ err, queue: name }, 'bull'));
    }
  }

  /** What Bull calls: returns when the row needs nobody any more, else throws {@link Later}. */
  async function woken(queue: string, jobId: string): Promise<void> {
    if (!runner.running) throw new Later(UNKNOWN_MS);
    const job = await claimOne(knex, { jobId, node: runner.node, now: clock.wall(), lockMs: runner.lockMs });
    const at = job === undefined ? await readyAt(knex, jobId) : await ended(queue, job);
    if (at === undefined) return;
    const wait = at - clock.wall();
    // a row that is due and not to be had is somebody's, or its lock has ended and nobody has noticed yet
    throw new Later(job === undefined && wait <= 0 ? UNKNOWN_MS : wait);
  }

  /** Runs the attempt. Gives when the row wants the next one, epoch ms. */
  async function ended(queue: string, job: Claimed): Promise<number | undefined> {
    const outcome = await runner.perform(job);
    if (outcome.is === 'again') return outcome.at;
    if (outcome.is === 'left') return clock.wall() + UNKNOWN_MS;
    if (outcome.is === 'dead') await mirror(queue, job, outcome.code);
    return undefined;
  }

  async function mirror(queue: string, job: Claimed, code: string): Promise<void> {
    const key = keys.deadJobs(queue);
    const entry = JSON.stringify({ jobId: job.job_id, kind: job.kind, code, at: clock.wall() });
    try {
      await redis.commands
        .multi()
        .lpush(key, entry)
        .ltrim(key, 0, DEAD_KEPT - 1)
        .exec();
    } catch (error) {
      log.warn({ err: error, queue, jobId: job.job_id }, 'a dead job is not in the list of Redis; the table has it');
    }
  }

  function open(name: string, slots: number, subscriber: Redis): Bull.Queue {
    const queue = new Bull(name, {
      prefix: keys.queues,
      createClient: (role) => {
        if (role === 'client') return redis.commands;
        return role === 'subscriber' ? subscriber : redis.connect(`jobs-${name}`, 'blocking');
      },
      // attempts and their limits are the table's: Bull gives up nothing
      defaultJobOptions: { attempts: 2 ** 31, backoff: { type: 'row' }, removeOnComplete: true, removeOnFail: true, stackTraceLimit: 1 },
      settings: {
        lockDuration: runner.lockMs,
        stalledInterval: RECONCILE_MS,
        maxStalledCount: 2 ** 31,
        retryProcessDelay: UNKNOWN_MS,
        backoffStrategies: { row: (_made: number, error: Error) => (error instanceof Later ? error.ms : UNKNOWN_MS) },
      },
    });
    queue.on('error', (error) => log.debug({ err: error, queue: name }, 'bull'));
    queue
      .process(slots, (job) => runner.asked(woken(name, String(job.id))))
      .catch((error: unknown) => {
        if (runner.running) log.error({ err: error, queue: name }, 'a queue is not served');
      });
    return queue;
  }

  /** Lets Bull record what has ended, but not for ever: Redis may be away. */
  async function close(): Promise<void> {
    const closed = Promise.allSettled([...queues.values()].map((q) => q.close()));
    let timer;
    const patience = new Promise<void>((resolve) => {
      timer = clock.setTimer(CLOSE_MS, resolve);
    });
    await Promise.race([closed, patience]);
    if (timer !== undefined) clock.clearTimer(timer);
  }

  /** The job is dead no more: its entry leaves the list. */
  async function unmirror(queue: string, jobId: string): Promise<void> {
    const key = keys.deadJobs(queue);
    try {
      for (const entry of await redis.commands.lrange(key, 0, -1))
        if ((JSON.parse(entry) as { jobId: string }).jobId === jobId) await redis.commands.lrem(key, 1, entry);
    } catch (error) {
      log.warn({ err: error, queue, jobId }, 'a job that is dead no more is still in the list of Redis; the table is right');
    }
  }

  const wake = (queue: string): void => {
    if (runner.queues.has(queue)) relay().catch((err: unknown) => log.warn({ err, queue }, 'jobs cannot be relayed'));
  };

  return {
    enqueue: (tx, job) => runner.enqueue(tx, job),
    wake,
    queues: names,
    async replay(queue, jobId, runAt) {
      const replay = await runner.replay(queue, jobId, runAt);
      if (replay.is === 'replayed') await unmirror(queue, jobId);
      wake(queue);
      return replay;
    },
    async discard(queue, jobId) {
      const discarded = await runner.discard(queue, jobId);
      if (discarded) await unmirror(queue, jobId);
      return discarded;
    },
    async promote(queue, jobId) {
      const promoted = await runner.promote(queue, jobId);
      if (promoted) await rouse(queue, jobId);
      wake(queue);
      return promoted;
    },
    async pause(queue, by) {
      await pauseQueue(knex, queue, by);
      await keepPauses();
    },
    async resume(queue) {
      const resumed = await resumeQueue(knex, queue);
      await keepPauses();
      return resumed;
    },
    async start() {
      await runner.start();
      const subscriber = redis.connect('jobs', 'blocking');
      for (const shared of [redis.commands, subscriber]) shared.setMaxListeners(shared.getMaxListeners() + LISTENS * names.length);
      for (const [name, slots] of runner.queues) queues.set(name, open(name, slots, subscriber));
      runner.cycle(deps.pollMs ?? 1_000, relay);
      runner.cycle(Math.min(RECONCILE_MS, forgottenMs), reconcile);
      runner.cycle(deps.pollMs ?? 1_000, keepPauses);
    },
    async drain(ms) {
      for (const q of queues.values()) q.pause(true, true).catch((err: unknown) => log.debug({ err }, 'bull'));
      await runner.drain(ms);
    },
    async stop() {
      await runner.stop();
      await close();
    },
  };
}
