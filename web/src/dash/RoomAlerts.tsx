import { useState } from 'preact/hooks';
import { Alerts } from './Alerts.tsx';
import type { Room } from './studio.ts';

/** Unusual utilization, room by room. */
export function RoomAlerts({ rooms }: { readonly rooms: readonly Room[] }) {
  const [chosen, choose] = useState<string>();
  const room = rooms.find((r) => r.resourceId === chosen) ?? rooms[0];
  if (room === undefined) return null;
  return (
    <div class="roomalerts">
      {rooms.length > 1 && (
        <div class="seg" role="group" aria-label="Room of the alerts">
          {rooms.map((r) => (
            <button key={r.resourceId} type="button" aria-pressed={r === room} onClick={() => choose(r.resourceId)}>
              {r.name}
            </button>
          ))}
        </div>
      )}
      <Alerts key={room.resourceId} topic={`resource:${room.resourceId}/anomalies`} title={`Use of ${room.name}`} role="staff" />
    </div>
  );
}
