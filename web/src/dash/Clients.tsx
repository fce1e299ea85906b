import { useEffect, useState } from 'preact/hooks';
import { api } from '../lib/http.ts';
import type { Replies } from '../generated/replies.ts';
import { Icon } from '../ui/icons.tsx';
import { Empty, Skeleton } from '../ui/parts.tsx';
import { Alerts } from './Alerts.tsx';
import { Devices } from './Devices.tsx';
import { Energy } from './Energy.tsx';

export type Person = Replies['GET /v1/users']['items'][number];

/** The clients of the studio, by name; undefined while they are read. */
export function useClients(): readonly Person[] | undefined {
  const [people, setPeople] = useState<readonly Person[]>();
  useEffect(() => {
    api<Replies['GET /v1/users']>('GET', '/v1/users?role=user&limit=200')
      .then(({ items }) => setPeople(items.filter((p) => !p.roles.some((r) => r === 'staff' || r === 'admin'))))
      .catch(() => setPeople([]));
  }, []);
  return people;
}

/** What staff see of one client at a time. */
export function Clients({ people }: { readonly people: readonly Person[] | undefined }) {
  const [chosen, choose] = useState<string>();
  const person = people?.find((p) => p.id === chosen) ?? people?.[0];
  return (
    <>
      <section class="card" aria-labelledby="clients-title">
        <header>
          <h2 id="clients-title">
            <Icon name="user" /> Client
          </h2>
        </header>
        <div class="body">
          {people === undefined && <Skeleton lines={1} height={40} />}
          {people?.length === 0 && <Empty icon="user" title="No clients yet" />}
          {person !== undefined && (
            <label class="field">
              <span class="vh">Client</span>
              <select value={person.id} onChange={(e) => choose(e.currentTarget.value)}>
                {people?.map((p) => (
                  <option key={p.id} value={p.id}>
                    {p.displayName}
                  </option>
                ))}
              </select>
            </label>
          )}
        </div>
      </section>
      {person !== undefined && (
        <div class="person" key={person.id}>
          <Energy userId={person.id} name={person.displayName.split(' ')[0]} />
          <Alerts topic={`user:${person.id}/alerts`} title="Alerts" role="staff" />
          <Devices userId={person.id} role="staff" />
        </div>
      )}
    </>
  );
}
