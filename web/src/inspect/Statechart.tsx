import { useState } from 'preact/hooks';
import type { Definition, StateValue, Transition } from './api.ts';

/** Names of the active states of a state value, as paths from the root: `life`, `life.confirmed`, … */
export function activePaths(value: StateValue, prefix = ''): Set<string> {
  const out = new Set<string>();
  if (typeof value === 'string') out.add(prefix + value);
  else {
    for (const [key, inner] of Object.entries(value)) {
      out.add(prefix + key);
      for (const path of activePaths(inner, `${prefix}${key}.`)) out.add(path);
    }
  }
  return out;
}

/** `xstate.after.HOLD_MS.booking.held` → `after HOLD_MS`; other platform events likewise, others as they are. */
export function eventName(event: string): string {
  const after = /^xstate\.after\.([^.]+)/.exec(event);
  if (after !== null) return `after ${after[1]}`;
  const done = /^xstate\.(done|error)\.(actor|state)\.(.+)$/.exec(event);
  return done === null ? event : `${done[1]} ${done[3]?.split('.').at(-1)}`;
}

const named = (v: unknown): string => (typeof v === 'string' ? v : ((v as { type?: string } | null)?.type ?? ''));

/** The statechart as a nested list; active states are marked for eyes and for assistive devices. */
export function Statechart({ definition, value }: { readonly definition: Definition; readonly value: StateValue }) {
  const [all, setAll] = useState(false);
  const active = activePaths(value);
  return (
    <div class="chart-tree">
      <label class="check">
        <input type="checkbox" checked={all} onChange={(e) => setAll(e.currentTarget.checked)} /> transitions of inactive states too
      </label>
      {(definition.on !== undefined || definition.always !== undefined) && <Transitions node={definition} root={definition.id} />}
      <States node={definition} path="" active={active} all={all} root={definition.id} />
    </div>
  );
}

interface StatesProps {
  readonly node: Definition;
  readonly path: string;
  readonly active: ReadonlySet<string>;
  readonly all: boolean;
  readonly root: string;
}

function States({ node, path, active, all, root }: StatesProps) {
  const children = Object.values(node.states ?? {});
  if (children.length === 0) return null;
  return (
    <ul class={`states ${node.type}`}>
      {children.map((child) => {
        const here = path + child.key;
        const isActive = active.has(here);
        return (
          <li key={child.key} class={isActive ? 'on' : ''} aria-current={isActive ? 'true' : undefined} data-state={here}>
            <div class="state">
              <span class="lamp" aria-hidden="true" />
              <strong>{child.key}</strong>
              {isActive && <span class="vh">, active</span>}
              {child.type === 'parallel' && <span class="chip">parallel</span>}
              {child.type === 'final' && <span class="chip">final</span>}
              {child.type === 'history' && <span class="chip">history</span>}
              {node.initial === child.key && <span class="chip">initial</span>}
              {child.tags?.map((t) => (
                <span key={t} class="chip info">
                  {t}
                </span>
              ))}
              {child.invoke?.map((i) => (
                <span key={i.id} class="chip accent">
                  runs {i.src}
                </span>
              ))}
            </div>
            {(isActive || all) && <Transitions node={child} root={root} />}
            <States node={child} path={`${here}.`} active={active} all={all} root={root} />
          </li>
        );
      })}
    </ul>
  );
}

function Transitions({ node, root }: { readonly node: Definition; readonly root: string }) {
  const rows: (readonly [string, Transition])[] = [
    ...(node.always ?? []).map((t) => ['always', t] as const),
    ...Object.entries(node.on ?? {}).flatMap(([event, list]) => list.map((t) => [eventName(event), t] as const)),
  ];
  if (rows.length === 0) return null;
  const short = (id: string): string => id.replace(`${root}.`, '');
  return (
    <ul class="transitions">
      {rows.map(([event, t], i) => (
        <li key={i}>
          <code>{event}</code>
          {t.guard !== undefined && <span class="muted"> if {named(t.guard)}</span>}
          <span class="muted" aria-hidden="true">
            {' → '}
          </span>
          <span class="vh"> to </span>
          {t.target === undefined ? <span class="muted">stays</span> : <code>{t.target.map(short).join(', ')}</code>}
        </li>
      ))}
    </ul>
  );
}
