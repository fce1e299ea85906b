import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { ThrumError, TopicStatus } from '@thrum/client';
import { ago, clock, dateTime } from '../lib/format.ts';
import { useConnection } from '@thrum/client/react';
import { useNow } from '../lib/live.ts';
import type { Theme } from '../lib/theme.ts';
import { applyTheme, loadTheme } from '../lib/theme.ts';
import type { IconName } from './icons.tsx';
import { Icon } from './icons.tsx';

/** "3 min ago", with the exact time on hover. */
export function RelTime({ at, zone }: { readonly at: number; readonly zone?: string }) {
  const now = useNow();
  return (
    <time dateTime={new Date(at).toISOString()} title={dateTime(at, zone)}>
      {ago(at, now)}
    </time>
  );
}

export function Empty({
  icon,
  title,
  children,
}: {
  readonly icon: IconName;
  readonly title: string;
  readonly children?: ComponentChildren;
}) {
  return (
    <div class="empty">
      <Icon name={icon} size={30} />
      <strong>{title}</strong>
      {children !== undefined && <span class="small">{children}</span>}
    </div>
  );
}

export function Skeleton({ lines = 3, height = 18 }: { readonly lines?: number; readonly height?: number }) {
  return (
    <div role="status" aria-label="Loading" style={{ display: 'grid', gap: '10px' }}>
      {Array.from({ length: lines }, (_, i) => (
        <div key={i} class="skeleton" style={{ height: `${height}px`, width: `${100 - ((i * 17) % 40)}%` }} />
      ))}
    </div>
  );
}

export function ErrorNote({ error }: { readonly error: Error | ThrumError }) {
  return (
    <div class="error" role="alert">
      <Icon name="warn" />
      <span>{error.message}</span>
    </div>
  );
}

const themes: readonly { readonly id: Theme; readonly icon: IconName; readonly name: string }[] = [
  { id: 'auto', icon: 'auto', name: 'as the system' },
  { id: 'light', icon: 'sun', name: 'light' },
  { id: 'dark', icon: 'moon', name: 'dark' },
];

export function ThemeButton() {
  const [theme, set] = useState(loadTheme);
  useEffect(() => applyTheme(theme), [theme]);
  const at = themes.findIndex((t) => t.id === theme);
  const next = themes[(at + 1) % themes.length] ?? { id: 'auto', name: 'as the system' };
  const now = themes[at];
  const label = `Appearance: ${now?.name}. Change to ${next.name}`;
  return (
    <button type="button" class="btn quiet icon" aria-label={label} title={label} onClick={() => set(next.id)}>
      <Icon name={now?.icon ?? 'auto'} />
    </button>
  );
}

/** Quiet while all is well; says "Reconnecting" after 2 s without a connection. */
export function ConnectionPill() {
  const connection = useConnection();
  const now = useNow(1_000);
  const away = connection.state !== 'online' && now - connection.since > 2_000;
  const rtt = connection.rtt === undefined ? '' : `, ${Math.round(connection.rtt)} ms`;
  if (connection.state === 'online' || !away) {
    return (
      <span class="chip good" title={`Connected${rtt}`} data-state={connection.state}>
        <span class="dot pulse" />
        Live
      </span>
    );
  }
  return (
    <span class="chip warn" data-state={connection.state}>
      <span class="dot" />
      {connection.state === 'offline' ? 'Offline' : 'Reconnecting…'}
    </span>
  );
}

/** After 10 s away: says from when the data is, and offers to try now. */
export function ConnectionBanner({ onRetry }: { readonly onRetry: () => void }) {
  const connection = useConnection();
  const now = useNow(1_000);
  const lost = useRef<number>(undefined);
  if (connection.state === 'online') lost.current = undefined;
  else lost.current ??= connection.since;
  const shown = lost.current !== undefined && now - lost.current > 10_000;
  return (
    <div role="status">
      {shown && (
        <div class="banner" data-testid="offline">
          <Icon name="cloud" />
          <span>Offline, showing data from {clock(lost.current ?? now)}</span>
          <button type="button" class="btn s" onClick={onRetry}>
            Try now
          </button>
        </div>
      )}
    </div>
  );
}

/** A modal dialog that closes by Escape, by its cross, and by a click outside. */
export function Dialog({
  title,
  sub,
  onClose,
  children,
}: {
  title: string;
  sub?: ComponentChildren;
  onClose: () => void;
  children: ComponentChildren;
}) {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = ref.current;
    dialog?.showModal();
    return () => dialog?.close();
  }, []);
  return (
    <dialog ref={ref} aria-label={title} onClose={onClose} onClick={(e) => e.target === ref.current && ref.current?.close()}>
      <div class="inner">
        <div class="top">
          <div>
            <h2>{title}</h2>
            {sub !== undefined && <p class="muted small">{sub}</p>}
          </div>
          <button type="button" class="btn quiet icon" aria-label="Close" onClick={() => ref.current?.close()}>
            <Icon name="close" />
          </button>
        </div>
        {children}
      </div>
    </dialog>
  );
}

/** Says in words what the grey look of a tile means: these are the last known values. */
export function StaleChip({ status }: { readonly status: TopicStatus }) {
  return status === 'stale' ? <span class="chip warn">Not live</span> : null;
}
