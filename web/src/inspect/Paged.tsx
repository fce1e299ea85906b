import type { ComponentChildren } from 'preact';
import { ErrorNote, Skeleton } from '../ui/parts.tsx';
import type { Pages } from './pages.ts';

interface PagedProps<T> {
  readonly pages: Pages<T>;
  /** lines that stand there while the first page is read */
  readonly lines: number;
  /** what is said when there are none */
  readonly empty: ComponentChildren;
  /** of the button that reads the next page */
  readonly older: string;
  /** the `li` of one item */
  readonly row: (item: T) => ComponentChildren;
}

/** A list that is read page by page. */
export function Paged<T>({ pages: { items, error, more }, lines, empty, older, row }: PagedProps<T>) {
  return (
    <>
      {error !== undefined && <ErrorNote error={error} />}
      {items === undefined && error === undefined && <Skeleton lines={lines} height={34} />}
      {items?.length === 0 && empty}
      <ol class="journal">{items?.map(row)}</ol>
      {more !== undefined && (
        <button type="button" class="btn more" onClick={more}>
          {older}
        </button>
      )}
    </>
  );
}
