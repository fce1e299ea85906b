import type { ThrumError } from '@thrum/client';
import { useCallback, useEffect, useState } from 'preact/hooks';

/** rows of one page of the inspector's lists */
export const PAGE = 50;

export interface Pages<T> {
  /** undefined while the first page is read */
  readonly items: readonly T[] | undefined;
  readonly error: ThrumError | undefined;
  /** reads the newest page again */
  readonly reload: () => void;
  /** reads older rows; undefined when there are none */
  readonly more: (() => void) | undefined;
}

/**
 * A list that is read newest first, page by page.
 *
 * @param read gives the rows after the one of an id; a new function reads anew
 */
export function usePages<K extends number | string, T extends { readonly id: K }>(read: (before?: K) => Promise<{ items: T[] }>): Pages<T> {
  const [items, setItems] = useState<readonly T[]>();
  const [error, setError] = useState<ThrumError>();
  const reload = useCallback(() => {
    setError(undefined);
    read()
      .then((page) => setItems(page.items))
      .catch(setError);
  }, [read]);
  useEffect(() => {
    setItems(undefined);
    reload();
  }, [reload]);
  const more = (): void => {
    read(items?.at(-1)?.id)
      .then((page) => setItems((known) => [...(known ?? []), ...page.items]))
      .catch(setError);
  };
  const full = items !== undefined && items.length > 0 && items.length % PAGE === 0;
  return { items, error, reload, more: full ? more : undefined };
}
