import type { ThrumError } from '@thrum/client';
import { useEffect, useState } from 'preact/hooks';
import { ErrorNote, Skeleton } from '../ui/parts.tsx';
import type { Explained, Microstep } from './api.ts';
import { readWhy } from './api.ts';
import { Json } from './Json.tsx';
import { eventName } from './Statechart.tsx';

/** Guards asked, transitions taken and actions run, microstep by microstep. */
export function Microsteps({ steps }: { readonly steps: readonly Microstep[] }) {
  if (steps.length === 0) return <p class="muted">The machine took no transition.</p>;
  return (
    <ol class="microsteps">
      {steps.map((step, i) => (
        <li key={i}>
          <strong>{eventName(step.event)}</strong>
          <ul>
            {step.guards.map((g, n) => (
              <li key={`g${n}`}>
                <span class={`chip ${g.answer ? 'good' : ''}`}>{g.answer ? 'yes' : 'no'}</span> <code>{g.guard}</code>
              </li>
            ))}
            {step.taken.map((t, n) => (
              <li key={`t${n}`}>
                <span class="chip accent">taken</span> <code>{t.source}</code> {t.targets.length === 0 ? 'stays' : '→ '}
                <code>{t.targets.join(', ')}</code>
                {t.guard !== undefined && <span class="muted"> if {t.guard}</span>}
              </li>
            ))}
            {step.taken.length === 0 && (
              <li>
                <span class="chip">no transition</span>
              </li>
            )}
            {step.actions.map((a, n) => (
              <li key={`a${n}`}>
                <span class="chip info">ran</span> <code>{a.type}</code>
                {a.params !== undefined && <Json value={a.params} open={1} />}
              </li>
            ))}
          </ul>
        </li>
      ))}
    </ol>
  );
}

/** Why an event of the past did what it did; the server handles it once more, on a copy. */
export function Why({ actor, seq }: { readonly actor: string; readonly seq: number }) {
  const [found, setFound] = useState<Explained>();
  const [error, setError] = useState<ThrumError>();
  useEffect(() => {
    readWhy(actor, seq).then(setFound).catch(setError);
  }, [actor, seq]);
  if (error !== undefined) return <ErrorNote error={error} />;
  if (found === undefined) return <Skeleton lines={3} />;
  return (
    <>
      {!found.agrees && (
        <p class="chip warn">{found.fault ?? 'Handled once more, it changes something else than it did then: the machine has changed'}</p>
      )}
      <Microsteps steps={found.microsteps} />
    </>
  );
}
