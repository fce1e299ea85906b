import { useEffect, useMemo, useState } from 'preact/hooks';
import { api } from '../lib/http.ts';

export interface DayScore {
  readonly day: string;
  readonly score: number;
}

/** Scores of the last 30 days, the newest of them live. */
export function useHistory(userId: string, day: string | undefined, score: number | undefined): readonly DayScore[] {
  const [stored, setStored] = useState<{ readonly userId: string; readonly days: readonly DayScore[] }>({ userId, days: [] });
  useEffect(() => {
    let gone = false;
    api<{ items: DayScore[] }>('GET', `/v1/scores?userId=${encodeURIComponent(userId)}&days=30`)
      .then(({ items }) => {
        if (!gone) setStored({ userId, days: [...items].sort((a, b) => (a.day < b.day ? -1 : 1)) });
        return undefined;
      })
      // without history there is no chart; the score itself is shown from its topic
      .catch(() => undefined);
    return () => {
      gone = true;
    };
  }, [userId, day]);
  return useMemo(() => {
    const before = stored.userId === userId ? stored.days.filter((d) => d.day !== day) : [];
    return day === undefined || score === undefined ? before : [...before, { day, score }];
  }, [stored, userId, day, score]);
}
