import type { Knex } from 'knex';
import { z } from 'zod';
import type { Clock } from '../../actors/types.ts';
import { jobKind } from './jobs.ts';
import type { AnyJobKind } from './jobs.ts';
import { pruneFinished } from './rows.ts';

const HOUR = 3_600_000;
const KEPT_MS = 7 * 24 * HOUR;
const PAGE = 1_000;

/** Removes the records of jobs that finished more than seven days ago, every hour. */
export const pruneJob = ({ knex, clock }: { readonly knex: Knex; readonly clock: Clock }): AnyJobKind =>
  jobKind({
    queue: 'maintenance',
    kind: 'jobs.prune',
    payload: z.object({}),
    every: HOUR,
    run: async () => {
      while ((await pruneFinished(knex, clock.wall() - KEPT_MS, PAGE)) === PAGE);
    },
  });
