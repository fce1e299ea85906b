/** Child of the cluster bench: applications that follow a log with the client library; what they are given is what counts. */
import { createClient } from '#sdk/index';
import type { Client } from '#sdk/index';
import { answerOrders } from './peer.ts';

export type WatchOrder =
  | { readonly do: 'start'; readonly url: string; readonly token: string; readonly n: number; readonly topic: string }
  | { readonly do: 'tally' }
  | { readonly do: 'stop' };

export interface Tally {
  /** items that an application was given where an earlier one was due */
  readonly gaps: number;
  /** items that it had been given before */
  readonly duplicates: number;
  readonly delivered: number;
  /** of each the number of the last item */
  readonly last: readonly number[];
}

let clients: Client[] = [];
let last: number[] = [];
let [gaps, duplicates, delivered] = [0, 0, 0];

function follow(i: number, o: Extract<WatchOrder, { do: 'start' }>): Client {
  const client = createClient({ url: o.url, token: o.token });
  client.log(o.topic as never, { limit: 100 }).subscribe((given) => {
    const { n } = given as { n: number };
    const before = last[i] ?? 0;
    delivered += 1;
    // the first that is seen is the first that is due
    if (before > 0 && n > before + 1) gaps += n - before - 1;
    if (n <= before) duplicates += 1;
    last[i] = Math.max(before, n);
  });
  return client;
}

answerOrders(async (order: WatchOrder) => {
  if (order.do === 'start') {
    last = Array.from({ length: order.n }, () => 0);
    clients = last.map((_, i) => follow(i, order));
  }
  if (order.do === 'stop') await Promise.all(clients.map((c) => c.close()));
  return { gaps, duplicates, delivered, last } satisfies Tally;
});
