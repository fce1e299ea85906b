/** Live subscribers with the client library: whoever is cut off comes back by itself, and sees every item once and in order. */
import { createClient } from '#sdk/index';
import type { Client } from '#sdk/index';
import type { Stage } from './stage.ts';

export interface Watched {
  readonly topic: string;
  readonly watcher: number;
  /** numbers of the items in the order in which they came */
  readonly numbers: number[];
  readonly items: unknown[];
  readonly faults: string[];
}

export interface Watchers {
  readonly logs: readonly Watched[];
  /** views of lists: the count must not go back */
  readonly views: readonly { readonly topic: string; count: number; readonly faults: string[] }[];
  close(): Promise<void>;
}

export function startWatchers(
  stage: Stage,
  o: { readonly token: string; readonly watchers: number; readonly logs: readonly string[]; readonly views: readonly string[] },
): Watchers {
  const logs: Watched[] = [];
  const views: { topic: string; count: number; faults: string[] }[] = [];
  const clients: Client[] = [];
  for (let watcher = 0; watcher < o.watchers; watcher += 1) {
    const client = createClient({ url: `http://127.0.0.1:${stage.front.port}`, token: o.token });
    clients.push(client);
    client.on('gap', ({ topic }) => logs.find((w) => w.watcher === watcher && w.topic === topic)?.faults.push('a gap was announced'));
    // each topic is watched by several
    for (const topic of o.logs.filter((_, i) => (i + watcher) % 3 === 0)) {
      const seen: Watched = { topic, watcher, numbers: [], items: [], faults: [] };
      logs.push(seen);
      const log = client.log(topic as never, { limit: 100 });
      log.subscribe(
        (item, { n }) => {
          const expected = (seen.numbers.at(-1) ?? 0) + 1;
          if (n !== expected && seen.faults.length < 5) seen.faults.push(`item ${n} came where ${expected} was due`);
          seen.numbers.push(n);
          seen.items.push(item);
        },
        {
          status: (status) => {
            if (status === 'denied') seen.faults.push(`denied: ${String(log.error?.code)} at ${new Date().toISOString()}`);
          },
        },
      );
    }
    for (const topic of o.views.filter((_, i) => (i + watcher) % 3 === 1)) {
      const seen = { topic, count: 0, faults: [] as string[] };
      views.push(seen);
      client.topic(topic as never).subscribe((view) => {
        const { count } = view as { count: number };
        if (count < seen.count && seen.faults.length < 5) seen.faults.push(`the count went from ${seen.count} to ${count}`);
        seen.count = count;
      });
    }
  }
  return {
    logs,
    views,
    close: async () => void (await Promise.all(clients.map((c) => c.close()))),
  };
}
