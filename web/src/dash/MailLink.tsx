/** The pages to which links of mails lead. Nothing happens until the person says so: programs follow links too. */
import type { ThrumError } from '@thrum/client';
import { useState } from 'preact/hooks';
import { api } from '../lib/http.ts';
import { ErrorNote } from '../ui/parts.tsx';

const LINKS = {
  'confirm-email': {
    title: 'Is this your address?',
    text: 'Then we write to it about what you choose under Notifications.',
    act: 'Yes, write to me here',
    done: 'Thank you. Choose under Notifications what you want to be mailed.',
    send: (token: string) => api('POST', '/v1/auth/verify-email', { token }),
  },
  unsubscribe: {
    title: 'Stop these mails?',
    text: 'You will get no more mails of this kind. Under Notifications you can turn them on again.',
    act: 'Stop them',
    done: 'Done. You will get no more mails of this kind.',
    send: (token: string) => api('POST', `/v1/notifications/unsubscribe?token=${encodeURIComponent(token)}`),
  },
} as const;

export interface Followed {
  readonly what: keyof typeof LINKS;
  readonly token: string;
}

/** The link of a mail that brought the person here, by the fragment of the address. */
export function followed(hash: string): Followed | undefined {
  const [, what = '', token = ''] = /^#(confirm-email|unsubscribe)=([\w.-]+)$/.exec(hash) ?? [];
  return Object.hasOwn(LINKS, what) ? { what: what as Followed['what'], token } : undefined;
}

export function MailLink({ what, token, onDone }: Followed & { readonly onDone: () => void }) {
  const { title, text, act, done, send } = LINKS[what];
  const [state, set] = useState<'asked' | 'busy' | 'done'>('asked');
  const [error, setError] = useState<ThrumError>();
  const go = (): void => {
    set('busy');
    setError(undefined);
    send(token).then(
      () => set('done'),
      (e: ThrumError) => {
        set('asked');
        setError(e);
      },
    );
  };
  return (
    <main class="boot">
      <h1>{title}</h1>
      <p role="status">{state === 'done' ? done : text}</p>
      {error !== undefined && <ErrorNote error={error} />}
      <div class="foot">
        {state !== 'done' && (
          <button type="button" class="btn primary" disabled={state === 'busy'} onClick={go}>
            {act}
          </button>
        )}
        <button type="button" class="btn quiet" onClick={onDone}>
          {state === 'done' ? 'To my day' : 'No'}
        </button>
      </div>
    </main>
  );
}
