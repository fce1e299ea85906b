/**
 * `npm run bench -- cluster [--only P11,R8] [--clients N]`: what several nodes give and cost. Ids with P are of kernel.md 15.3, those with R of realtime
 * R17 (R7 is its P7); N is the throughput of one to three nodes, C what the capacity model needs beside them.
 */
import { killed, remoteCommands, rollingRestart, throughput } from './cluster-kernel.ts';
import { acrossNodes, lostNode, memoryOfClients, revocation } from './cluster-realtime.ts';
import { openStores } from './cluster-rig.ts';
import type { Stores } from './cluster-rig.ts';
import type { Plan, Row } from './harness.ts';
import type { Bench, Measured } from './run.ts';

type Part = (stores: Stores, plan: Plan, say: (line: string) => void) => Promise<readonly Row[] | Measured>;

const PARTS: readonly { readonly name: string; readonly ids: readonly string[]; readonly run: Part }[] = [
  { name: 'commands to another node', ids: ['P11'], run: remoteCommands },
  { name: 'one, two and three nodes', ids: ['N1', 'N2', 'N3'], run: throughput },
  { name: 'rolling restart', ids: ['P12', 'R9'], run: rollingRestart },
  { name: 'killed nodes', ids: ['P13'], run: killed },
  { name: 'publications across nodes', ids: ['R7'], run: acrossNodes },
  { name: 'revocation', ids: ['R13'], run: revocation },
  { name: 'clients of a lost node', ids: ['R8', 'R9'], run: lostNode },
  { name: 'memory of clients', ids: ['C1', 'C2'], run: memoryOfClients },
];

export const clusterBench: Bench = async function* (plan, say, wanted) {
  const stores = await openStores();
  if (stores === undefined) {
    yield { rows: [], notes: ['PostgreSQL or Redis is not installed: nothing is measured'] };
    return;
  }
  try {
    yield { rows: [], notes: [`${stores.version}, private, on unix sockets; nodes, clients and stores share the machine`] };
    for (const { name, run } of PARTS.filter((p) => p.ids.some(wanted))) {
      say(name);
      const found = await run(stores, plan, say);
      yield 'rows' in found ? found : { rows: found };
    }
  } finally {
    await stores.stop();
  }
};
