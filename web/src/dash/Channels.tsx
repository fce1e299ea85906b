/** By which ways a person is told of what: one box for each category and channel. */
import type { Replies } from '../generated/replies.ts';

export type Channel = 'inapp' | 'push' | 'email';
export type Settings = Replies['GET /v1/notifications/preferences'];

const CHANNELS: readonly (readonly [Channel, string])[] = [
  ['inapp', 'Here'],
  ['push', 'Push'],
  ['email', 'E-mail'],
];

const LABELS: { readonly [category: string]: string } = {
  booking_update: 'Changes of bookings',
  booking_reminder: 'Bookings coming up',
  anomaly_alert: 'Unusual readings',
  recovery_alert: 'Recovery',
  daily_summary: 'The day in short',
  weekly_report: 'The week in short',
  device_attention: 'Devices that need me',
  job_done: 'Exports and imports',
  marketing: 'News from the studio',
  security: 'Security (always)',
};

/** Whether there is an address to which mails go. */
export const hasAddress = ({ endpoints }: Settings): boolean => Object.values(endpoints).some((e) => e.provider === 'email');

/** @param change receives the settings as they are to be */
export function Channels(o: { readonly settings: Settings; readonly busy: boolean; readonly change: (settings: Settings) => void }) {
  const { preferences, categories } = o.settings;
  const mails = hasAddress(o.settings);
  const set = (category: string, channel: Channel, on: boolean): void => {
    const one = { ...preferences.categories[category], [channel]: on };
    o.change({
      ...o.settings,
      preferences: { ...preferences, categories: { ...preferences.categories, [category]: one } },
      categories: { ...categories, [category]: { inapp: false, push: false, email: false, full: false, ...categories[category], ...one } },
    });
  };
  return (
    <table class="channels" aria-label="Ways to be told">
      <thead>
        <tr>
          <td />
          {CHANNELS.map(([channel, label]) => (
            <th key={channel} scope="col">
              {label}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {Object.entries(LABELS).map(([category, label]) => (
          <tr key={category}>
            <th scope="row">{label}</th>
            {CHANNELS.map(([channel, way]) => (
              <td key={channel}>
                <label>
                  <span class="vh">{`${label}: ${way}`}</span>
                  <input
                    type="checkbox"
                    checked={categories[category]?.[channel] === true && (channel !== 'email' || mails)}
                    disabled={o.busy || category === 'security' || (channel === 'email' && !mails)}
                    onChange={(e) => set(category, channel, e.currentTarget.checked)}
                  />
                </label>
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
