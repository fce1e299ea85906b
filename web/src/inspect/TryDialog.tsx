import type { ThrumError } from '@thrum/client';
import { useState } from 'preact/hooks';
import { Dialog, ErrorNote } from '../ui/parts.tsx';
import { useToast } from '../ui/toasts.tsx';
import type { Outlook } from './api.ts';
import { poke, whatIf } from './api.ts';
import { Part } from './Entry.tsx';
import { Microsteps } from './Why.tsx';

interface TryProps {
  readonly actor: string;
  readonly commands: readonly string[];
  /** on the state after this event; undefined: the present one */
  readonly seq: number | undefined;
  readonly onClose: () => void;
}

function parsed(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** A command and what it would do, before it is sent or instead of sending it. */
export function TryDialog({ actor, commands, seq, onClose }: TryProps) {
  const say = useToast();
  const [type, setType] = useState(commands[0] ?? '');
  const [text, setText] = useState('{}');
  const [reason, setReason] = useState('');
  const [outlook, setOutlook] = useState<Outlook>();
  const [error, setError] = useState<ThrumError>();
  const [key] = useState(() => crypto.randomUUID());
  const payload = parsed(text);
  const changed = (): void => {
    setOutlook(undefined);
    setError(undefined);
  };
  const attempt = (e: Event): void => {
    e.preventDefault();
    if (payload === undefined) return;
    changed();
    whatIf(actor, { ...payload, type }, seq)
      .then(setOutlook)
      .catch(setError);
  };
  const send = (): void => {
    if (payload === undefined) return;
    poke(actor, type, payload, reason.trim(), key)
      .then((done) => (say(`Event #${done.seq} is committed`), onClose()))
      .catch(setError);
  };
  return (
    <Dialog
      title="What if?"
      sub={
        seq === undefined
          ? 'Tried on a copy of the present state; nothing is written'
          : `Tried on the state after event #${seq}; nothing is written`
      }
      onClose={onClose}
    >
      <form onSubmit={attempt}>
        <label class="field">
          <span>Command</span>
          <select value={type} onChange={(e) => (setType(e.currentTarget.value), changed())}>
            {commands.map((c) => (
              <option key={c}>{c}</option>
            ))}
          </select>
        </label>
        <label class="field">
          <span>Payload, as JSON</span>
          <textarea rows={4} spellcheck={false} class="mono" value={text} onInput={(e) => (setText(e.currentTarget.value), changed())} />
        </label>
        {payload === undefined && <p class="small muted">This is not a JSON object yet.</p>}
        <div class="actions">
          <button type="submit" class="btn primary" disabled={payload === undefined || type === ''}>
            Try it
          </button>
        </div>
      </form>
      {error !== undefined && <ErrorNote error={error} />}
      {outlook !== undefined && <Outcome outlook={outlook} />}
      {outlook?.accepted === true && seq === undefined && (
        <div class="send">
          <label class="field">
            <span>Reason, to send it for real</span>
            <input value={reason} maxLength={500} onInput={(e) => setReason(e.currentTarget.value)} />
          </label>
          <button type="button" class="btn danger" disabled={reason.trim().length < 3} onClick={send}>
            Send it
          </button>
        </div>
      )}
    </Dialog>
  );
}

function Outcome({ outlook }: { readonly outlook: Outlook }) {
  const { accepted, refusal, messages, effects, rows, armed, cancelled } = outlook;
  return (
    <div class="outlook" role="status">
      <p>
        <span class={`chip ${accepted ? 'good' : 'bad'}`}>{accepted ? 'would be accepted' : refusal?.code}</span>{' '}
        {accepted ? <code>{outlook.stateText}</code> : refusal?.detail}
      </p>
      <Microsteps steps={outlook.microsteps} />
      <div class="parts">
        {refusal?.details !== undefined && <Part name="Details" value={refusal.details} />}
        {accepted && <Part name="Change" value={outlook.patch} />}
        {accepted && outlook.reply !== null && <Part name="Reply" value={outlook.reply} />}
        {messages.length > 0 && <Part name="Messages" value={messages} />}
        {effects.length > 0 && <Part name="Effects" value={effects} />}
        {rows.length > 0 && <Part name="Rows" value={rows} />}
        {Object.keys(armed).length > 0 && <Part name="Timers armed" value={armed} />}
        {cancelled.length > 0 && <Part name="Timers taken away" value={cancelled} />}
      </div>
    </div>
  );
}
