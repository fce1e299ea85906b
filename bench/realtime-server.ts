/** What both servers of the realtime bench answer to the parent: publish, publish at a pace, say what they use. */

export type ServerOrder =
  | { readonly do: 'publish'; readonly bytes: number }
  | { readonly do: 'pace'; readonly perSecond: number; readonly ms: number; readonly bytes: number }
  | { readonly do: 'usage'; readonly gc: boolean }
  /** how long commands took in the kernel since the last time */
  | { readonly do: 'asks' }
  /** stamps and moments of the commits since the last time, epoch ms; nothing where nothing is committed */
  | { readonly do: 'commits' };

export interface Usage {
  /** CPU time of the process, ms */
  readonly cpu: number;
  readonly rss: number;
  /** heap in use, with what Node.js holds beside it for buffers */
  readonly heap: number;
}

export interface Started {
  readonly port: number;
  readonly token?: string;
}

export interface Spread {
  readonly n: number;
  readonly p50: number;
  readonly p99: number;
}

export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (q: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0;
  return { n: sorted.length, p50: at(0.5), p99: at(0.99) };
}

const collect = (globalThis as { gc?: () => void }).gc;

/** @param publish sends one text of so many bytes to the followers, `n` counts from 1 */
export function serve(
  publish: (text: string, n: number) => Promise<void> | void,
  started: Started,
  o: { readonly asks?: () => Spread; readonly commits?: () => readonly (readonly [number, number])[] } = {},
): void {
  let n = 0;
  const next = (bytes: number): Promise<void> | void => {
    n += 1;
    return publish(String(n).padEnd(bytes, 'x'), n);
  };
  const pace = async (perSecond: number, ms: number, bytes: number): Promise<number> => {
    const began = performance.now();
    let sent = 0;
    const under: Promise<unknown>[] = [];
    while (performance.now() - began < ms) {
      for (const due = ((performance.now() - began) / 1_000) * perSecond; sent < due; sent += 1) under.push(Promise.resolve(next(bytes)));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await Promise.all(under);
    return sent;
  };
  process.on('message', (order: ServerOrder) => {
    if (order.do === 'publish') void next(order.bytes);
    else if (order.do === 'asks') process.send?.(o.asks?.() ?? spread([]));
    else if (order.do === 'commits') process.send?.({ commits: o.commits?.() });
    else if (order.do === 'pace') void pace(order.perSecond, order.ms, order.bytes).then((sent) => process.send?.({ sent }));
    else {
      if (order.gc) for (let i = 0; i < 3; i += 1) collect?.();
      const { user, system } = process.cpuUsage();
      const { rss, heapUsed, external } = process.memoryUsage();
      process.send?.({ cpu: (user + system) / 1_000, rss, heap: heapUsed + external } satisfies Usage);
    }
  });
  process.on('disconnect', () => process.exit(0));
  process.send?.(started);
}
