import type { ThrumError } from '@thrum/client';
import { useEffect, useState } from 'preact/hooks';
import { lasting } from '../lib/format.ts';
import { Icon } from '../ui/icons.tsx';
import { ErrorNote, RelTime, Skeleton } from '../ui/parts.tsx';
import type { Cluster, ClusterNode } from './api.ts';
import { readCluster } from './api.ts';

const POLL_MS = 2_000;
const LATE_MS = 500;

/**
 * How a node does, as a tone, a word, and what that means.
 *
 * @param alone the node that answers is without Redis, by which it would ask the others
 */
function wordOf(n: ClusterNode, alone: boolean): readonly [tone: 'good' | 'warn' | 'bad', word: string, says?: string] {
  const troubled = Math.max(0, ...(n.load?.lanes ?? []).map((l) => l.troubledMs));
  if (n.load === null && alone) return ['warn', 'Unknown', 'It cannot be asked: Redis is out of reach.'];
  if (n.load === null) return ['bad', 'Silent', 'It did not answer within two seconds.'];
  if (!n.database) return ['bad', 'No database', 'Its database does not answer; its actors go to other nodes.'];
  if (troubled > 0) return ['bad', 'Commits fail', `For ${lasting(Math.ceil(troubled / 1_000))}.`];
  if (!n.clock) return ['bad', 'Wrong clock', 'More than five seconds off: its actors go to other nodes.'];
  if (n.load.roaming) return ['warn', 'Roaming', 'Redis is out of its reach; it serves whatever reaches it.'];
  if (n.load.queueAgeMs > LATE_MS) return ['warn', 'Late', `A command has waited ${n.load.queueAgeMs} ms for its turn.`];
  return ['good', 'Fine'];
}

/** Reads the cluster again and again while it is shown. */
function useCluster(): { readonly cluster: Cluster | undefined; readonly error: ThrumError | undefined } {
  const [cluster, setCluster] = useState<Cluster>();
  const [error, setError] = useState<ThrumError>();
  useEffect(() => {
    let over = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const told = (found: Cluster): void => {
      setCluster(found);
      setError(undefined);
    };
    const read = (): void => {
      readCluster()
        .then((found) => !over && told(found))
        .catch((e: ThrumError) => !over && setError(e))
        .finally(() => {
          if (!over) timer = setTimeout(read, document.visibilityState === 'hidden' ? POLL_MS * 10 : POLL_MS);
        });
    };
    read();
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, []);
  return { cluster, error };
}

/** Who serves the actors: every node as it is now, and what nobody serves. */
export function Nodes() {
  const { cluster, error } = useCluster();
  const gone = cluster?.gone ?? [];
  const alone = cluster?.nodes.find((n) => n.self)?.load?.roaming === true;
  const orphaned = cluster?.slots.filter(([owner]) => owner < 0).length ?? 0;
  return (
    <section class="card" aria-labelledby="nodes-title">
      <header>
        <h2 id="nodes-title">
          <Icon name="cpu" /> Nodes
        </h2>
        <span class="spring" />
        {cluster !== undefined && <span class="small muted">version {cluster.version}</span>}
      </header>
      <div class="body">
        {error !== undefined && <ErrorNote error={error} />}
        {cluster === undefined && error === undefined && <Skeleton lines={3} height={60} />}
        {orphaned > 0 && (
          <p class="error" role="status">
            <Icon name="warn" /> {orphaned} of {cluster?.slots.length} slots have no node: commands to their actors wait.
          </p>
        )}
        <ul class={`tiles ${error === undefined ? '' : 'stale'}`}>
          {cluster?.nodes.map((n) => (
            <Node key={n.id} n={n} solo={cluster.mode === 'solo'} alone={alone} />
          ))}
        </ul>
        {gone.length > 0 && (
          <ul class="gone small muted" aria-label="Nodes that are gone">
            {gone.map((n) => (
              <li key={n.id}>
                <span class="mono">{n.address || n.id}</span> {n.orderly ? 'was stopped' : 'was lost'} <RelTime at={Date.parse(n.at)} />
                {' · '}
                <span class="mono">{n.id}</span> · build {n.build}
              </li>
            ))}
          </ul>
        )}
      </div>
    </section>
  );
}

function Node({ n, solo, alone }: { readonly n: ClusterNode; readonly solo: boolean; readonly alone: boolean }) {
  const [tone, word, says] = wordOf(n, alone);
  const counts: readonly [name: string, value: number | undefined, says: string][] = [
    ['Slots', n.slots, 'of 1,024, that it serves'],
    ['Hot', n.load?.hot, 'actors that can run'],
    ['Warm', n.load?.warm, 'actors kept in memory as text'],
    ['Busy', n.load?.inflight, 'commands accepted and not answered'],
    ['Conflicts', n.load?.conflicts, 'commits that met a newer history, since its start'],
  ];
  return (
    <li class="tile" data-node={n.id}>
      <div class="top">
        <h3 class="mono">{n.address || n.id}</h3>
        <span class={`chip ${tone}`}>{word}</span>
      </div>
      {says !== undefined && <p class="small">{says}</p>}
      <dl>
        {counts.map(([name, value, meaning]) => (
          <div key={name} title={meaning} class={value === 0 || value === undefined ? 'none' : ''}>
            <dt>{name}</dt>
            <dd>{value ?? '–'}</dd>
          </div>
        ))}
      </dl>
      <p class="small muted">
        {n.address !== '' && (
          <>
            <span class="mono">{n.id}</span> ·{' '}
          </>
        )}
        {!solo && `Build ${n.build} · `}
        {!solo && n.weight !== 100 && `weight ${n.weight} · `}
        {n.started !== null && (
          <>
            started <RelTime at={Date.parse(n.started)} />
          </>
        )}
        {n.self && !solo && ' · answers this page'}
      </p>
    </li>
  );
}
