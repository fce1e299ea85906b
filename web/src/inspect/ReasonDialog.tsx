import type { ThrumError } from '@thrum/client';
import { useState } from 'preact/hooks';
import { Dialog, ErrorNote } from '../ui/parts.tsx';
import { useToast } from '../ui/toasts.tsx';

export interface Act {
  readonly title: string;
  /** what will happen, for somebody who is in a hurry */
  readonly says: string;
  readonly verb: string;
  readonly danger?: boolean;
  readonly run: (reason: string) => Promise<unknown>;
}

const SHORTEST = 3;

/** Asks why, acts, and says what the server answered. */
export function ReasonDialog({ act, onClose }: { readonly act: Act; readonly onClose: () => void }) {
  const say = useToast();
  const [reason, setReason] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ThrumError>();
  const submit = (e: Event): void => {
    e.preventDefault();
    setBusy(true);
    setError(undefined);
    act
      .run(reason.trim())
      .then(() => (say(`${act.title}: done`), onClose()))
      .catch((failed: ThrumError) => (setError(failed), setBusy(false)));
  };
  return (
    <Dialog title={act.title} sub={act.says} onClose={onClose}>
      <form onSubmit={submit}>
        <label class="field">
          <span>Reason, kept in the audit log</span>
          <input value={reason} maxLength={500} autofocus onInput={(e) => setReason(e.currentTarget.value)} />
        </label>
        {error !== undefined && <ErrorNote error={error} />}
        <div class="actions">
          <button type="button" class="btn" onClick={onClose}>
            Not now
          </button>
          <button
            type="submit"
            class={`btn ${act.danger === true ? 'danger solid' : 'primary'}`}
            disabled={busy || reason.trim().length < SHORTEST}
          >
            {act.verb}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
