import type { ThrumError } from '@thrum/client';
import { useEffect, useState } from 'preact/hooks';
import { api } from '../lib/http.ts';
import { Icon, Mark } from '../ui/icons.tsx';
import { ErrorNote, ThemeButton } from '../ui/parts.tsx';

interface DemoLogin {
  readonly email: string;
  readonly password: string;
  readonly displayName: string;
  readonly roles: readonly string[];
}

/** What each role sees, for the demo logins. */
function describe(roles: readonly string[]): string {
  if (roles.includes('admin')) return 'Operator: rooms, clients and the inspector';
  if (roles.includes('staff')) return 'Coach: the schedule, clients and their alerts';
  return 'Client: own bookings, energy and devices';
}

export function Login({ onDone, title = 'Sign in to your studio' }: { readonly onDone: () => void; readonly title?: string }) {
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ThrumError>();
  const [demo, setDemo] = useState<readonly DemoLogin[]>([]);

  useEffect(() => {
    api<{ logins?: DemoLogin[] }>('GET', '/v1/demo')
      .then((d) => setDemo(d.logins ?? []))
      .catch(() => setDemo([]));
  }, []);

  async function signIn({ email, password }: { email: string; password: string }): Promise<void> {
    setBusy(true);
    setError(undefined);
    try {
      await api('POST', '/v1/auth/login', { email, password, client: 'web' });
      onDone();
    } catch (e) {
      setError(e as ThrumError);
      setBusy(false);
    }
  }

  return (
    <div class="login">
      <header class="login-top">
        <span class="brand">
          <Mark /> Thrum
        </span>
        <ThemeButton />
      </header>
      <main class="login-main">
        <section class="pitch" aria-hidden="true">
          <svg viewBox="0 0 400 120" preserveAspectRatio="none">
            {[0, 1, 2, 3].map((i) => (
              <path key={i} d={wave(i)} style={{ opacity: 1 - i * 0.22 }} />
            ))}
          </svg>
          <p>Rooms, wearables and alerts of your studio, moving as they happen.</p>
        </section>
        <section class="card login-card">
          <h1>{title}</h1>
          <form
            onSubmit={(e) => {
              e.preventDefault();
              void signIn({ email, password });
            }}
          >
            <label class="field">
              <span>E-mail</span>
              <input type="email" autoComplete="username" required value={email} onInput={(e) => setEmail(e.currentTarget.value)} />
            </label>
            <label class="field">
              <span>Password</span>
              <input
                type="password"
                autoComplete="current-password"
                required
                value={password}
                onInput={(e) => setPassword(e.currentTarget.value)}
              />
            </label>
            {error !== undefined && <ErrorNote error={error} />}
            <button type="submit" class="btn primary" disabled={busy}>
              {busy ? 'Signing in…' : 'Sign in'}
            </button>
          </form>
          {demo.length > 0 && (
            <div class="demo">
              <h2 class="small">Or look around as</h2>
              <ul>
                {demo.map((d) => (
                  <li key={d.email}>
                    <button type="button" class="demo-login" disabled={busy} onClick={() => void signIn(d)}>
                      <span class="avatar">{initials(d.displayName)}</span>
                      <span>
                        <strong>{d.displayName}</strong>
                        <span class="small muted">{describe(d.roles)}</span>
                      </span>
                      <Icon name="right" />
                    </button>
                  </li>
                ))}
              </ul>
            </div>
          )}
        </section>
      </main>
    </div>
  );
}

export const initials = (name: string): string =>
  name
    .split(/\s+/)
    .slice(0, 2)
    .map((w) => w.charAt(0).toUpperCase())
    .join('');

/** One string of the picture, swinging in its own overtone. */
function wave(i: number): string {
  const points = Array.from({ length: 81 }, (_, k) => {
    const x = k * 5;
    const y = 60 + Math.sin((k / 80) * Math.PI) * Math.sin((k / 80) * Math.PI * (3 + i * 2) + i) * (46 - i * 8);
    return `${x.toFixed(0)} ${y.toFixed(1)}`;
  });
  return `M${points.join('L')}`;
}
