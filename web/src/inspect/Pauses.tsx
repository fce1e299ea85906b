import { useEffect, useState } from 'preact/hooks';
import { Icon } from '../ui/icons.tsx';
import { RelTime } from '../ui/parts.tsx';
import type { Pause } from './api.ts';
import { listPauses, setPause } from './api.ts';
import type { Act } from './ReasonDialog.tsx';
import { ReasonDialog } from './ReasonDialog.tsx';

const POLL_MS = 5_000;

const scopeText = (scope: string): string => (scope === 'all' ? 'Everything' : scope.replace(':', ' '));

/** What stands still beyond single actors, on every view of the inspector: whoever forgets a pause is reminded. */
export function Pauses() {
  const [pauses, setPauses] = useState<readonly Pause[]>([]);
  const [act, setAct] = useState<Act>();
  const load = (): void => {
    listPauses().then(
      ({ items }) => setPauses(items),
      () => undefined,
    );
  };
  useEffect(() => {
    load();
    const timer = setInterval(load, POLL_MS);
    return () => clearInterval(timer);
  }, []);
  const pause: Act = {
    title: 'Pause everything',
    says: 'Every command is refused until it is resumed; timers and results are held. Reads work.',
    verb: 'Pause everything',
    danger: true,
    run: (reason) => setPause('pause', 'all', reason).finally(load),
  };
  const resume = (p: Pause): Act => ({
    title: `Resume: ${scopeText(p.scope)}`,
    says: `Paused because: ${p.reason}`,
    verb: 'Resume',
    run: (reason) => setPause('resume', p.scope, reason).finally(load),
  });
  return (
    <>
      {pauses.map((p) => (
        <div class="banner" key={p.scope} role="status">
          <Icon name="warn" />
          <span>
            {scopeText(p.scope)} is paused: {p.reason} (<RelTime at={Date.parse(p.at)} />)
          </span>
          <button type="button" class="btn s" onClick={() => setAct(resume(p))}>
            Resume
          </button>
        </div>
      ))}
      {!pauses.some((p) => p.scope === 'all') && (
        <button type="button" class="btn s danger pause-all" onClick={() => setAct(pause)}>
          Pause everything
        </button>
      )}
      {act !== undefined && <ReasonDialog act={act} onClose={() => setAct(undefined)} />}
    </>
  );
}
