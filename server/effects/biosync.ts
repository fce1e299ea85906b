/** What the effects of the device and user machines do. */
import type { Knex } from 'knex';
import type { z } from 'zod';
import type { EffectFunctions } from '../../actors/effects.ts';
import type { Clock } from '../../actors/types.ts';
import { noCounts } from '../../machines/biosync/schema.ts';
import type { FetchInput, FetchResult } from '../../machines/biosync/schema.ts';
import type { ComputeInput } from '../../machines/user/schema.ts';
import type { Ingest } from '../biosync/ingest.ts';
import type { Providers } from '../biosync/provider.ts';
import { storeRaw } from '../biosync/raw.ts';
import { computeScores } from '../biosync/scores.ts';

export interface BiosyncEffectsDeps {
  readonly knex: Knex;
  readonly clock: Clock;
  readonly newId: () => string;
  readonly providers: Providers;
  readonly ingest: Ingest;
}

export function biosyncEffects({ knex, clock, newId, providers, ingest }: BiosyncEffectsDeps): EffectFunctions {
  /** Fetches one page, stores and ingests it. Repeating it with the same key changes nothing. */
  async function fetchPage(i: FetchInput, key: string, signal: AbortSignal): Promise<FetchResult> {
    const provider = providers.get(i.provider);
    if (provider?.fetch === undefined) return { ok: true, counts: noCounts, more: false };
    const page = await provider.fetch({ providerUserId: i.providerUserId, from: i.from, to: i.to, cursor: i.cursor, signal });
    if (!page.ok) return page;
    const now = clock.wall();
    const rawIds = await storeRaw(knex, {
      newId,
      userId: i.userId,
      deviceId: i.deviceId,
      provider: i.provider,
      key,
      now,
      payloads: page.payloads,
    });
    const counts = await ingest.run(rawIds, false);
    return { ok: true, counts, more: page.cursor !== undefined, ...(page.cursor === undefined ? {} : { cursor: page.cursor }) };
  }

  return {
    device: {
      fetchPage: ({ input, key, signal }) => fetchPage(input as FetchInput, key, signal),
      deregister: async ({ input, signal }) => {
        const { provider, providerUserId } = input as { provider: string; providerUserId: string };
        if (providerUserId !== '') await providers.get(provider)?.deregister?.(providerUserId, signal);
        return null;
      },
    },
    user: { computeScores: ({ input }) => computeScores(knex, input as z.infer<typeof ComputeInput>, clock.wall()) },
  };
}
