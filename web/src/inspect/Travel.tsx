import type { ThrumError } from '@thrum/client';
import { useEffect, useState } from 'preact/hooks';
import { Icon } from '../ui/icons.tsx';
import { ErrorNote } from '../ui/parts.tsx';
import type { Past } from './api.ts';
import { readPast } from './api.ts';

/** The state after event `seq`; undefined while it is read, and when there is nothing to read. */
export function usePast(ref: string, seq: number | undefined): { past: Past | undefined; error: ThrumError | undefined } {
  const [past, setPast] = useState<Past>();
  const [error, setError] = useState<ThrumError>();
  useEffect(() => {
    if (seq === undefined) {
      setPast(undefined);
      setError(undefined);
      return undefined;
    }
    let gone = false;
    // a slider passes many numbers on its way
    const wait = setTimeout(() => {
      readPast(ref, seq)
        .then((p) => !gone && (setPast(p), setError(undefined)))
        .catch((e: ThrumError) => !gone && setError(e));
    }, 120);
    return () => {
      gone = true;
      clearTimeout(wait);
    };
  }, [ref, seq]);
  return { past, error };
}

interface TravelProps {
  readonly seq: number;
  readonly last: number;
  readonly error: ThrumError | undefined;
  readonly onTravel: (seq: number | undefined) => void;
}

/** Says that the past is shown, and steps through it: by slider, buttons or arrow keys. */
export function Travel({ seq, last, error, onTravel }: TravelProps) {
  return (
    <div class="travel" role="group" aria-label="Time travel">
      <Icon name="clock" />
      <strong>After event #{seq}</strong>
      <button type="button" class="btn s icon" aria-label="One event back" disabled={seq <= 1} onClick={() => onTravel(seq - 1)}>
        <Icon name="left" size={15} />
      </button>
      <input type="range" aria-label="Event" min={1} max={last} value={seq} onInput={(e) => onTravel(Number(e.currentTarget.value))} />
      <button type="button" class="btn s icon" aria-label="One event on" disabled={seq >= last} onClick={() => onTravel(seq + 1)}>
        <Icon name="right" size={15} />
      </button>
      <button type="button" class="btn s" onClick={() => onTravel(undefined)}>
        Back to now
      </button>
      {error !== undefined && <ErrorNote error={error} />}
    </div>
  );
}
