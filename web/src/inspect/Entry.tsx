import type { ComponentChildren } from 'preact';
import { RelTime } from '../ui/parts.tsx';
import { Json } from './Json.tsx';

interface EntryProps {
  /** number or sign at the left */
  readonly n: string;
  readonly title: ComponentChildren;
  readonly note: string;
  /** ISO 8601 */
  readonly at: string;
  /** what is seen once it is unfolded */
  readonly children: ComponentChildren;
}

/** One line of a list of things that happened; it unfolds. */
export function Entry({ n, title, note, at, children }: EntryProps) {
  return (
    <details>
      <summary>
        <span class="mono num">{n}</span>
        <strong>{title}</strong>
        <span class="small muted from">{note}</span>
        <span class="small muted at">
          <RelTime at={Date.parse(at)} />
        </span>
      </summary>
      {children}
    </details>
  );
}

export function Part({ name, value }: { readonly name: string; readonly value: unknown }) {
  return (
    <div>
      <h3 class="small muted">{name}</h3>
      <Json value={value} open={3} />
    </div>
  );
}
