import type { ViewOf } from '@thrum/client';
import { useState } from 'preact/hooks';
import { words } from '../lib/format.ts';
import { useThrum, useTopic } from '@thrum/client/react';
import { Icon } from '../ui/icons.tsx';
import { Empty, RelTime, Skeleton, StaleChip } from '../ui/parts.tsx';
import { useToast } from '../ui/toasts.tsx';
import type { Role } from './studio.ts';
import { can } from './studio.ts';

const tone = (state: string): string => {
  if (/disconnected|reauth|stalled|erased/.test(state)) return 'bad';
  if (/backing_off|paused|authorizing/.test(state)) return 'warn';
  if (/refreshing|syncing/.test(state)) return 'info';
  return 'good';
};

/** The wearables of a user with the state of their synchronisation, as their statecharts have it. */
export function Devices({ userId, role }: { readonly userId: string; readonly role: Role }) {
  const { value, status } = useTopic(`user:${userId}/devices`);
  const devices = Object.entries(value?.devices ?? {});
  return (
    <section class={`card ${status === 'stale' ? 'stale' : ''}`} aria-labelledby="devices-title">
      <header>
        <h2 id="devices-title">
          <Icon name="watch" /> Devices
        </h2>
        <StaleChip status={status} />
      </header>
      <div class="body">
        {value === undefined && status !== 'denied' && <Skeleton lines={2} />}
        {status === 'denied' && <Empty icon="watch" title="You may not see these devices" />}
        {value !== undefined && devices.length === 0 && (
          <Empty icon="watch" title="No device connected">
            Connect a wearable to see sleep, heart rate and activity here.
          </Empty>
        )}
        <ul class="devices">
          {devices.map(([id, d]) => (
            <Device key={id} id={id} head={d} role={role} />
          ))}
        </ul>
      </div>
    </section>
  );
}

function Device({
  id,
  head,
  role,
}: {
  readonly id: string;
  readonly head: { readonly label: string; readonly state: string };
  readonly role: Role;
}) {
  const client = useThrum();
  const say = useToast();
  const [busy, setBusy] = useState(false);
  const { value } = useTopic(`device:${id}/sync`);
  const state = value?.state ?? head.state;
  const allowed = can(value, role, 'device.sync');

  async function sync(): Promise<void> {
    setBusy(true);
    try {
      const receipt = await client.command(`device:${id}`, 'device.sync', {});
      await receipt.settled();
    } catch (e) {
      say((e as Error).message, 'warn');
    } finally {
      setBusy(false);
    }
  }

  return (
    <li class="device" data-device={id}>
      <span class="mark">
        <Icon name="watch" />
      </span>
      <div>
        <div class="head">
          <h3>{head.label}</h3>
          <span class={`chip ${tone(state)}`} data-sync={state}>
            <span class={`dot ${tone(state) === 'info' ? 'pulse' : ''}`} />
            {words(state)}
          </span>
        </div>
        <p class="small muted">
          <LastData view={value} />
          {value?.nextAt !== undefined && (
            <>
              {' · next '}
              <RelTime at={value.nextAt} />
            </>
          )}
        </p>
      </div>
      <button type="button" class="btn s" disabled={busy || !allowed} onClick={() => void sync()}>
        <Icon name="sync" size={15} /> Sync now<span class="vh">, {head.label}</span>
      </button>
    </li>
  );
}

/** When the device was last heard of: a synchronisation that we began, or what it sent by itself. */
function LastData({ view }: { readonly view: ViewOf<`device:${string}/sync`> | undefined }) {
  const sync = view?.lastSyncAt ?? 0;
  const data = view?.lastDataAt ?? 0;
  if (sync === 0 && data === 0) return <>no data yet</>;
  return (
    <>
      {sync >= data ? 'synchronised ' : 'data came '}
      <RelTime at={Math.max(sync, data)} />
    </>
  );
}
