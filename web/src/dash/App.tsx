import type { Client } from '@thrum/client';
import type { ThrumError } from '@thrum/client';
import { useCallback, useEffect, useState } from 'preact/hooks';
import { api } from '../lib/http.ts';
import { connect, Live } from '../lib/live.ts';
import { Icon, Mark } from '../ui/icons.tsx';
import { ConnectionBanner, ConnectionPill, ErrorNote, ThemeButton } from '../ui/parts.tsx';
import { Toasts } from '../ui/toasts.tsx';
import { Alerts } from './Alerts.tsx';
import { useOwnBookings } from './bookings.ts';
import { Clients, useClients } from './Clients.tsx';
import { Devices } from './Devices.tsx';
import { Energy } from './Energy.tsx';
import { initials, Login } from './Login.tsx';
import { followed, MailLink } from './MailLink.tsx';
import { forgetDevice, Notifications } from './Notifications.tsx';
import { OwnBookings } from './OwnBookings.tsx';
import { Privacy } from './Privacy.tsx';
import { RoomAlerts } from './RoomAlerts.tsx';
import { Rooms, useRooms } from './Rooms.tsx';
import type { Me } from './studio.ts';
import { isStaff } from './studio.ts';

type Session =
  | { readonly state: 'unknown' }
  | { readonly state: 'out' }
  | { readonly state: 'failed'; readonly error: ThrumError }
  | { readonly state: 'in'; readonly me: Me; readonly client: Client };

/** Who is signed in, by the session cookie; with the client that lives as long as they are. */
export function useSession(): { readonly session: Session; readonly refresh: () => void; readonly signOut: () => void } {
  const [session, set] = useState<Session>({ state: 'unknown' });
  const refresh = useCallback(() => {
    api<Me>('GET', '/v1/me')
      .then((me) => set({ state: 'in', me, client: connect() }))
      .catch((error: ThrumError) => set(error.status === 401 ? { state: 'out' } : { state: 'failed', error }));
  }, []);
  useEffect(refresh, [refresh]);
  const client = session.state === 'in' ? session.client : undefined;
  useEffect(() => {
    if (client === undefined) return undefined;
    client.connect();
    const stop = client.on('connection', (c) => c.state === 'refused' && set({ state: 'out' }));
    return () => {
      stop();
      void client.close();
    };
  }, [client]);
  const signOut = useCallback(() => {
    forgetDevice()
      .catch(() => undefined)
      .then(() => api('POST', '/v1/auth/logout', {}))
      .catch(() => undefined)
      .finally(() => set({ state: 'out' }));
  }, []);
  return { session, refresh, signOut };
}

export function App() {
  const { session, refresh, signOut } = useSession();
  const [link, setLink] = useState(() => followed(location.hash));
  if (link !== undefined) {
    const done = (): void => {
      history.replaceState(undefined, '', '/');
      setLink(undefined);
    };
    return <MailLink {...link} onDone={done} />;
  }
  if (session.state === 'out') return <Login onDone={refresh} />;
  if (session.state === 'failed') {
    return (
      <main class="boot">
        <h1>Thrum</h1>
        <ErrorNote error={session.error} />
        <button type="button" class="btn" onClick={refresh}>
          Try again
        </button>
      </main>
    );
  }
  if (session.state !== 'in') return <main class="boot" aria-busy="true" aria-label="Loading" />;
  return (
    <Live client={session.client}>
      <Toasts>
        <a class="skip" href="#main">
          Skip to content
        </a>
        <TopBar me={session.me} signOut={signOut} />
        <ConnectionBanner onRetry={() => session.client.wake()} />
        {isStaff(session.me) ? <StaffDay me={session.me} /> : <ClientDay me={session.me} />}
      </Toasts>
    </Live>
  );
}

function TopBar({ me, signOut }: { readonly me: Me; readonly signOut: () => void }) {
  return (
    <header class="bar">
      <div>
        <a class="brand" href="/">
          <Mark /> Thrum
        </a>
        <ConnectionPill />
        <span class="spring" />
        {me.roles.includes('admin') && (
          <a class="btn quiet" href="/inspect" aria-label="Inspector">
            <Icon name="cpu" /> <span class="wide">Inspector</span>
          </a>
        )}
        <ThemeButton />
        <span class="who" title={me.email}>
          <span class="avatar" aria-hidden="true">
            {initials(me.displayName)}
          </span>
          <span class="wide">{me.displayName}</span>
        </span>
        <button type="button" class="btn quiet icon" aria-label="Sign out" title="Sign out" onClick={signOut}>
          <Icon name="out" />
        </button>
      </div>
    </header>
  );
}

function ClientDay({ me }: { readonly me: Me }) {
  const { bookings, loading } = useOwnBookings();
  const rooms = useRooms();
  return (
    <main id="main" class="page">
      <h1 class="hello">
        {greeting(me.timeZone)}, {me.displayName.split(' ')[0]}
      </h1>
      <div class="grid">
        <div class="main">
          <Rooms me={me} own={bookings} {...rooms} />
          <OwnBookings bookings={bookings} rooms={rooms.rooms ?? []} loading={loading} me={me} />
        </div>
        <div class="side">
          <Energy userId={me.id} />
          <Alerts topic={`user:${me.id}/alerts`} title="Alerts" role="self" />
          <Devices userId={me.id} role="self" />
          <Notifications userId={me.id} />
          <Privacy userId={me.id} />
        </div>
      </div>
    </main>
  );
}

function StaffDay({ me }: { readonly me: Me }) {
  const { bookings } = useOwnBookings();
  const rooms = useRooms();
  const people = useClients();
  return (
    <main id="main" class="page">
      <h1 class="hello">The studio today</h1>
      <div class="grid">
        <div class="main">
          <Rooms me={me} own={bookings} clients={people ?? []} {...rooms} />
          <RoomAlerts rooms={rooms.rooms ?? []} />
        </div>
        <div class="side">
          <Clients people={people} />
          <Notifications userId={me.id} />
          <Privacy userId={me.id} />
        </div>
      </div>
    </main>
  );
}

function greeting(zone: string): string {
  const hour = Number(new Intl.DateTimeFormat('en-GB', { hour: '2-digit', timeZone: zone }).format(Date.now()));
  return hour < 5 || hour >= 18 ? 'Good evening' : hour < 12 ? 'Good morning' : 'Good afternoon';
}
