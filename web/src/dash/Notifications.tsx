import type { ItemOf } from '@thrum/client';
import { closeShown, pushStatus, registerPush, renewPush } from '@thrum/client/push';
import type { PushRegistration, PushStatus } from '@thrum/client/push';
import { useThrum } from '@thrum/client/react';
import { useCallback, useEffect, useState } from 'preact/hooks';
import { api } from '../lib/http.ts';
import { Icon } from '../ui/icons.tsx';
import { useToast } from '../ui/toasts.tsx';
import { Channels, hasAddress } from './Channels.tsx';
import type { Settings } from './Channels.tsx';

const NIGHT = { from: '22:00', to: '07:00', bypassCritical: true };

const TEXT: { readonly [status in PushStatus]: string } = {
  unsupported: 'This browser cannot be called when the page is closed.',
  blocked: 'Notifications are blocked in the settings of this browser.',
  off: 'Be called on this device when something matters and the page is closed.',
  on: 'This device is called when something matters and the page is closed.',
};

/** Shows what arrives while somebody looks, and tells the server that it was seen, so that no device is called for it. */
export function useSeen(userId: string): void {
  const client = useThrum();
  const say = useToast();
  useEffect(() => {
    const log = client.log(`user:${userId}/notifications`, { limit: 1 });
    let newest: { readonly item: ItemOf<`user:${string}/notifications`>; readonly n: number } | undefined;
    const seen = (): void => {
      if (newest === undefined || document.visibilityState === 'hidden') return;
      const { item, n } = newest;
      log
        .seen(item)
        .then(() => closeShown(n))
        .catch(() => undefined);
    };
    let looking = false;
    const stop = log.subscribe((item, { n, at }) => {
      newest = { item, n };
      if (looking && at !== undefined && item.severity !== 'info') say(item.title, 'warn');
      seen();
    });
    looking = true;
    document.addEventListener('visibilitychange', seen);
    return () => {
      document.removeEventListener('visibilitychange', seen);
      stop();
    };
  }, [client, userId, say]);
}

/** Before signing out: the next person at this browser is not called for this one. */
export const forgetDevice = async (): Promise<void> => (await renewPush())?.unregister();

/** Switches the calls to this browser on and off, the quiet hours of the person, and by which ways they are told of what. */
export function Notifications({ userId }: { readonly userId: string }) {
  const say = useToast();
  const [status, setStatus] = useState<PushStatus>();
  const [registration, setRegistration] = useState<PushRegistration>();
  const [settings, setSettings] = useState<Settings>();
  const [busy, setBusy] = useState(false);
  useSeen(userId);

  const look = useCallback(async () => {
    setStatus(await pushStatus());
    setRegistration(await renewPush());
  }, []);
  const load = useCallback(async () => setSettings(await api<Settings>('GET', '/v1/notifications/preferences')), []);
  useEffect(() => {
    look().catch(() => undefined);
    load().catch(() => undefined);
  }, [look, load]);

  async function act(what: () => Promise<unknown>, done: string): Promise<void> {
    setBusy(true);
    try {
      await what();
      say(done);
    } catch (e) {
      say((e as Error).message, 'warn');
    } finally {
      setBusy(false);
      await look().catch(() => undefined);
    }
  }

  /** Shown at once; what the server then says holds. */
  async function configure(next: Settings): Promise<void> {
    setSettings(next);
    try {
      await api('PUT', '/v1/notifications/preferences', next.preferences);
    } finally {
      await load();
    }
  }
  function quietly(now: Settings, on: boolean): Settings {
    const { quiet: _, ...others } = now.preferences;
    return { ...now, preferences: on ? { ...others, quiet: NIGHT } : others };
  }

  const on = status === 'on' && registration !== undefined;
  return (
    <section class="card" aria-labelledby="notifications-title">
      <header>
        <h2 id="notifications-title">
          <Icon name="bell" /> Notifications
        </h2>
        <span class="spring" />
        {on && <span class="chip good">On</span>}
      </header>
      <div class="body">
        <p class="small muted">{status === undefined ? 'One moment …' : TEXT[status]}</p>
        <div class="foot">
          {status === 'off' && (
            <button
              type="button"
              class="btn s primary"
              disabled={busy}
              onClick={() => void act(() => registerPush({ provider: 'webpush' }), 'Notifications are on')}
            >
              Turn on
            </button>
          )}
          {on && (
            <>
              <button
                type="button"
                class="btn s"
                disabled={busy}
                onClick={() => void act(() => registration.test(), 'A test is on its way')}
              >
                Send a test
              </button>
              <button
                type="button"
                class="btn s quiet"
                disabled={busy}
                onClick={() => void act(() => registration.unregister(), 'Notifications are off')}
              >
                Turn off
              </button>
            </>
          )}
        </div>
        {settings !== undefined && (
          <>
            <label class="option small">
              <input
                type="checkbox"
                checked={settings.preferences.quiet !== undefined}
                disabled={busy}
                onChange={(e) => void act(() => configure(quietly(settings, e.currentTarget.checked)), 'Saved')}
              />
              Quiet from 22:00 to 07:00, except for critical alerts
            </label>
            <details class="ways">
              <summary>What to be told, and how</summary>
              <Channels settings={settings} busy={busy} change={(next) => void act(() => configure(next), 'Saved')} />
              {!hasAddress(settings) && (
                <div class="foot">
                  <p class="small muted">For mails we must know that your address is yours.</p>
                  <button
                    type="button"
                    class="btn s"
                    disabled={busy}
                    onClick={() =>
                      void act(() => api('POST', '/v1/auth/verify-email/resend'), 'Follow the link in the mail that we sent you')
                    }
                  >
                    Confirm my address
                  </button>
                </div>
              )}
            </details>
          </>
        )}
      </div>
    </section>
  );
}
