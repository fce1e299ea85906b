import { useEffect, useState } from 'preact/hooks';
import { Login } from '../dash/Login.tsx';
import type { Me } from '../dash/studio.ts';
import { api } from '../lib/http.ts';
import type { ThrumError } from '@thrum/client';
import { Icon, Mark } from '../ui/icons.tsx';
import { Empty, ErrorNote, ThemeButton } from '../ui/parts.tsx';
import { Toasts } from '../ui/toasts.tsx';
import { ActorList } from './ActorList.tsx';
import { Activity } from './Activity.tsx';
import { ActorPage } from './ActorPage.tsx';
import { Audit } from './Audit.tsx';
import { DeadLetters } from './DeadLetters.tsx';
import { Nodes } from './Nodes.tsx';
import { Pauses } from './Pauses.tsx';
import { Queues } from './Queues.tsx';

type Session = { readonly me?: Me; readonly out?: true; readonly error?: ThrumError };

const VIEWS = [
  ['', 'Actors'],
  ['live', 'Live'],
  ['dead', 'Dead letters'],
  ['queues', 'Queues'],
  ['nodes', 'Nodes'],
  ['audit', 'Audit'],
] as const;

/** The fragment of the address: the ref of an actor, or the name of a view, with what it shows: `queues/notify`. */
const fromHash = (): string => decodeURIComponent(location.hash.slice(1));

export function App() {
  const [session, setSession] = useState<Session>({});
  const [view, setView] = useState(fromHash);
  const actor = view.includes(':') ? view : undefined;
  const [name = '', part] = view.split('/');
  const load = (): void => {
    api<Me>('GET', '/v1/me')
      .then((me) => setSession({ me }))
      .catch((error: ThrumError) => setSession(error.status === 401 ? { out: true } : { error }));
  };
  useEffect(load, []);
  useEffect(() => {
    const changed = (): void => setView(fromHash());
    addEventListener('hashchange', changed);
    return () => removeEventListener('hashchange', changed);
  }, []);
  if (session.out === true) return <Login onDone={load} title="Sign in as an operator" />;
  return (
    <Toasts>
      <a class="skip" href="#main" onClick={(e) => (e.preventDefault(), document.getElementById('main')?.focus())}>
        Skip to content
      </a>
      <header class="bar">
        <div>
          <a class="brand" href="/">
            <Mark /> Thrum <span>Inspector</span>
          </a>
          <span class="spring" />
          <a class="btn quiet" href="/">
            <Icon name="left" /> Dashboard
          </a>
          <ThemeButton />
        </div>
      </header>
      <main id="main" tabIndex={-1} class="page">
        <h1 class="vh">Inspector</h1>
        {session.error !== undefined && <ErrorNote error={session.error} />}
        {session.me !== undefined && !session.me.roles.includes('admin') && (
          <section class="card">
            <Empty icon="info" title="For operators only">
              {session.me.displayName} may not look into actors. <a href="/">Back to the dashboard</a>
            </Empty>
          </section>
        )}
        {session.me?.roles.includes('admin') === true && (
          <>
            <nav class="views" aria-label="Inspector">
              {VIEWS.map(([id, title]) => (
                <a
                  key={id}
                  class="btn s"
                  href={`#${id}`}
                  aria-current={name === id || (id === '' && actor !== undefined) ? 'page' : undefined}
                >
                  {title}
                </a>
              ))}
              <span class="spring" />
              <Pauses />
            </nav>
            {view === 'live' && <Activity />}
            {view === 'dead' && <DeadLetters />}
            {name === 'queues' && <Queues chosen={part} />}
            {view === 'nodes' && <Nodes />}
            {view === 'audit' && <Audit />}
            {(view === '' || actor !== undefined) && <Actors actor={actor} />}
            {actor === undefined && !VIEWS.some(([id]) => id === name) && (
              <section class="card">
                <Empty icon="search" title="There is no such page">
                  An actor is shown by its kind and id: <a href="#user:42">#user:42</a>
                </Empty>
              </section>
            )}
          </>
        )}
      </main>
    </Toasts>
  );
}

function Actors({ actor }: { readonly actor: string | undefined }) {
  return (
    <div class={`split ${actor === undefined ? '' : 'chosen'}`}>
      <ActorList chosen={actor} />
      {actor === undefined ? (
        <section class="card placeholder">
          <Empty icon="cpu" title="Choose an actor">
            Its statechart, context, timers and journal appear here and move as it does.
          </Empty>
        </section>
      ) : (
        <div>
          <a class="btn s back" href="#">
            <Icon name="left" size={15} /> All actors
          </a>
          <ActorPage key={actor} actor={actor} />
        </div>
      )}
    </div>
  );
}
