/**
 * Topics, commands and error codes of the server, as types. Written by `npm run gen` from the zod schemas of the actor kinds; do not edit.
 *
 * `{id}` stands for the id of the actor. `query` lists the declared query keys of a topic. Commands that only the platform may send are
 * left out.
 */

export interface Topics {
  'system/status': {
    kind: 'state';
    view: {
      /** degraded: nodes cannot hear each other, views may be some seconds old */
      status: 'ok' | 'degraded' | 'draining';
      version: string;
      durability: 'power' | 'process' | 'none';
    };
  };
  'ops/queues': {
    kind: 'state';
    view: {
      /** by name */
      queues: {
        [key: string]: {
          queue: string;
          /** red: a job has been due for five minutes, or more than a hundred have died in ten; yellow: for one minute, or there are dead ones */
          status: 'green' | 'yellow' | 'red';
          /** due and not begun */
          waiting: number;
          /** not due yet */
          delayed: number;
          active: number;
          /** among the waiting and delayed: those that have failed before */
          retrying: number;
          dead: number;
          /** of due jobs, as the next two */
          oldestWaitingAgeS: number;
          waitingAgeP50S: number;
          waitingAgeP95S: number;
          deadOldestAgeS: number;
          /** unfinished ones that have lost their runner before */
          stalled: number;
          /** done within the last minute; standing jobs are never done */
          perMinute: number;
          /** the same over fifteen minutes */
          perMinute15: number;
          /** an operator has stopped it: nothing of it begins */
          paused?: {
            /** id of the operator */
            by: string;
            reason: string;
            /** epoch ms */
            since: number;
          };
        };
      };
      /** the database does not answer: the numbers are of this time, epoch ms */
      since?: number;
    };
  };
  'user:{id}/presence': {
    kind: 'state';
    view: {
      online: boolean;
      state: 'active' | 'idle' | 'away';
      /** epoch ms; absent when the node has not seen the person */
      since?: number;
      clients: { web: number; mobile: number };
    };
  };
  'org:{id}/presence': {
    kind: 'state';
    view: {
      /** members who are online and do not hide */
      count: number;
      /** by user; absent when there are more than 1,000 */
      members?: {
        [key: string]: {
          state: 'active' | 'idle';
          /** epoch ms */
          since?: number;
        };
      };
      /** the first 20 of more than 1,000, in order of their ids */
      sample?: {
        [key: string]: {
          state: 'active' | 'idle';
          /** epoch ms */
          since?: number;
        };
      };
    };
  };
  'anomaly:{id}/alerts': {
    kind: 'log';
    item: {
      type: 'alert.opened' | 'alert.updated' | 'alert.closed';
      id: string;
      key: string;
      monitor: string;
      owner: string;
      metric: string;
      unit: string;
      kind: 'metric' | 'utilization' | 'persistence';
      status: 'open' | 'acknowledged' | 'closed';
      reason: 'new' | 'reopened' | 'escalated' | 'unacknowledged' | 'acknowledged' | 'labelled' | 'auto' | 'manual' | 'false_positive' | 'adopted';
      notify: boolean;
      direction: 'high' | 'low';
      severity: 'none' | 'low' | 'medium' | 'high' | 'critical';
      level: number;
      action: 'none' | 'observe' | 'review_24h' | 'investigate_4h' | 'page_now';
      title: string;
      explanation: string;
      at: number;
      pointAt: number;
      value: number;
      expected: number;
      delta: number;
      band: { lower: number; upper: number };
      z?: number;
      threshold: number;
      persistence: number;
      points: number;
      since: number;
      openedAt: number;
      linkedTo?: string;
      ackBy?: string;
      ackAt?: number;
      label?: 'true_positive' | 'false_positive';
      closedAt?: number;
      closedBy?: string;
      closeReason?: 'auto' | 'manual' | 'false_positive' | 'adopted';
      note?: string;
    } | {
      type: 'monitor.ready' | 'monitor.stale' | 'monitor.live' | 'monitor.adopted' | 'monitor.suspicion_cleared' | 'monitor.muted' | 'monitor.unmuted' | 'alert.suppressed';
      at: number;
      monitor: string;
      metric: string;
      reason?: 'muted' | 'historical' | 'below_min' | 'cooldown';
      severity?: 'none' | 'low' | 'medium' | 'high' | 'critical';
      direction?: 'high' | 'low';
      pointAt?: number;
      value?: number;
      expected?: number;
      coveredBy?: string;
      until?: number;
    };
  };
  'anomaly:{id}/scores': {
    kind: 'state';
    view: {
      monitor: string;
      owner: string;
      metric: string;
      unit: string;
      condition: 'learning' | 'normal' | 'suspect' | 'anomalous' | 'recovering';
      alerting: 'quiet' | 'open' | 'acknowledged' | 'cooling';
      muting: 'unmuted' | 'muted';
      feed: 'live' | 'stale';
      baseline: { points: number; needed: number };
      latest?: {
        t: number;
        value: number;
        expected: number;
        delta: number;
        band: { lower: number; upper: number };
        z?: number;
        score: number;
        persistence: number;
        direction: 'high' | 'low';
        severity: 'none' | 'low' | 'medium' | 'high' | 'critical';
        exceeds: boolean;
      };
      threshold: { base: number; cvFactor: number; feedbackFactor: number; effective: number };
      labels: { fp: number; tp: number; missed: number };
      alert?: {
        id: string;
        status: 'open' | 'acknowledged' | 'closed';
        severity: 'none' | 'low' | 'medium' | 'high' | 'critical';
        openedAt: number;
        title: string;
      };
      suppressed: number;
      mutedUntil?: number;
    } & { can?: { [role: string]: string[] } };
  };
  'booking:{id}/status': {
    kind: 'state';
    view: {
      bookingId: string;
      resourceId: string;
      /** whose booking it is */
      userId: string;
      state: 'new' | 'acquiring' | 'held.open' | 'confirming' | 'confirmed.upcoming' | 'confirmed.started' | 'rescheduling.acquiring' | 'rescheduling.swapping' | 'cancelling' | 'releasing' | 'rejected' | 'expired' | 'cancelled' | 'completed';
      start: string;
      end: string;
      durationMin: number;
      /** zone of localStart */
      timeZone: string;
      localStart: string;
      party: number;
      unit?: number;
      /** end of the hold */
      expiresAt?: string;
      /** rises with every change of time, resource or status */
      sequence: number;
      rescheduleCount: number;
      next?: { resourceId: string; start: string; end: string };
      /** why the last attempt failed */
      refusal?: {
        code: string;
        reason?: string;
        conflicts?: { s: string; e: string; state: 'held' | 'confirmed' | 'blocked'; bookingId?: string }[];
      };
      source?: string;
      createdAt: string;
      updatedAt: string;
    } & { can?: { [role: string]: string[] } };
  };
  'breaker:{id}/changes': {
    kind: 'log';
    item: {
      state: 'closed' | 'open' | 'half_open' | 'isolated' | 'forced_closed';
      until?: number;
      /** in a row, without ten quiet minutes between them */
      openings: number;
      /** number of its last change */
      rev: number;
      at: number;
      name: string;
      why: 'failures' | 'probe failed' | 'wait is over' | 'healthy' | 'operator' | 'time is over';
      /** the operator */
      by?: string;
    };
  };
  'device:{id}/sync': {
    kind: 'state';
    view: {
      id: string;
      provider: 'simulator' | 'standard';
      label: string;
      state: string;
      stateSince: number;
      freshness: 'unknown' | 'fresh' | 'quiet';
      autoSync: boolean;
      lastSyncAt?: number;
      lastDataAt?: number;
      nextAt?: number;
      failures: number;
      error?: string;
      run?: {
        id: string;
        trigger: 'manual' | 'auto' | 'retry' | 'backfill' | 'webhook' | 'connect';
        startedAt: number;
        from: string;
        to: string;
        counts: { inserted: number; updated: number; duplicate: number; stale: number; rejected: number };
        pages: number;
        cursor?: string;
      };
      totals: { inserted: number; updated: number; duplicate: number; stale: number; rejected: number };
      deliveries: number;
      backfill: { state: 'none' | 'running' | 'completed' | 'failed' | 'cancelled'; done: number; total: number };
      can?: { self: string[]; staff: string[] };
    } & { can?: { [role: string]: string[] } };
  };
  'resource:{id}/anomalies': {
    kind: 'log';
    item: {
      type: 'alert.opened' | 'alert.updated' | 'alert.closed';
      id: string;
      key: string;
      monitor: string;
      owner: string;
      metric: string;
      unit: string;
      kind: 'metric' | 'utilization' | 'persistence';
      status: 'open' | 'acknowledged' | 'closed';
      reason: 'new' | 'reopened' | 'escalated' | 'unacknowledged' | 'acknowledged' | 'labelled' | 'auto' | 'manual' | 'false_positive' | 'adopted';
      notify: boolean;
      direction: 'high' | 'low';
      severity: 'none' | 'low' | 'medium' | 'high' | 'critical';
      level: number;
      action: 'none' | 'observe' | 'review_24h' | 'investigate_4h' | 'page_now';
      title: string;
      explanation: string;
      at: number;
      pointAt: number;
      value: number;
      expected: number;
      delta: number;
      band: { lower: number; upper: number };
      z?: number;
      threshold: number;
      persistence: number;
      points: number;
      since: number;
      openedAt: number;
      linkedTo?: string;
      ackBy?: string;
      ackAt?: number;
      label?: 'true_positive' | 'false_positive';
      closedAt?: number;
      closedBy?: string;
      closeReason?: 'auto' | 'manual' | 'false_positive' | 'adopted';
      note?: string;
    };
  };
  'resource:{id}/availability': {
    kind: 'state';
    query: 'days' | 'from';
    view: {
      resourceId: string;
      name: string;
      status: 'active' | 'suspended' | 'retired';
      rev: number;
      timeZone: string;
      capacity: number;
      slotStepMin: number;
      from: string;
      days: number;
      start: string;
      end: string;
      open: { [key: string]: { start: string; end: string } };
      busy: { [key: string]: { start: string; end: string; used: number } };
    };
  };
  'resource:{id}/schedule': {
    kind: 'state';
    query: 'days' | 'from';
    view: {
      resourceId: string;
      name: string;
      status: 'active' | 'suspended' | 'retired';
      rev: number;
      timeZone: string;
      capacity: number;
      slotStepMin: number;
      from: string;
      days: number;
      start: string;
      end: string;
      open: { [key: string]: { start: string; end: string } };
      claims: {
        [key: string]: {
          claimId: string;
          bookingId: string;
          start: string;
          end: string;
          bufferBeforeMin: number;
          bufferAfterMin: number;
          unit?: number;
          qty: number;
          state: 'held' | 'confirmed' | 'blocked';
        };
      };
    };
  };
  'user:{id}/alerts': {
    kind: 'log';
    item: {
      type: 'alert.opened' | 'alert.updated' | 'alert.closed';
      id: string;
      key: string;
      monitor: string;
      owner: string;
      metric: string;
      unit: string;
      kind: 'metric' | 'utilization' | 'persistence';
      status: 'open' | 'acknowledged' | 'closed';
      reason: 'new' | 'reopened' | 'escalated' | 'unacknowledged' | 'acknowledged' | 'labelled' | 'auto' | 'manual' | 'false_positive' | 'adopted';
      notify: boolean;
      direction: 'high' | 'low';
      severity: 'none' | 'low' | 'medium' | 'high' | 'critical';
      level: number;
      action: 'none' | 'observe' | 'review_24h' | 'investigate_4h' | 'page_now';
      title: string;
      explanation: string;
      at: number;
      pointAt: number;
      value: number;
      expected: number;
      delta: number;
      band: { lower: number; upper: number };
      z?: number;
      threshold: number;
      persistence: number;
      points: number;
      since: number;
      openedAt: number;
      linkedTo?: string;
      ackBy?: string;
      ackAt?: number;
      label?: 'true_positive' | 'false_positive';
      closedAt?: number;
      closedBy?: string;
      closeReason?: 'auto' | 'manual' | 'false_positive' | 'adopted';
      note?: string;
    };
  };
  'user:{id}/bookings': {
    kind: 'log';
    item: {
      type: 'held' | 'confirmed' | 'rescheduled' | 'reschedule_failed' | 'cancelled' | 'expired' | 'completed';
      bookingId: string;
      resourceId: string;
      start: string;
      end: string;
      sequence: number;
      at: string;
      other?: { resourceId: string; start: string; end: string };
      reason?: string;
    };
  };
  'user:{id}/devices': {
    kind: 'state';
    view: {
      devices: {
        [key: string]: {
          id: string;
          provider: 'simulator' | 'standard';
          label: string;
          state: string;
          stateSince: number;
          autoSync: boolean;
          lastSyncAt?: number;
          lastDataAt?: number;
          nextSyncAt?: number;
          failures: number;
          error?: string;
          backfill: { state: 'none' | 'running' | 'completed' | 'failed' | 'cancelled'; done: number; total: number };
          scopes: string[];
        };
      };
    };
  };
  'user:{id}/energy': {
    kind: 'state';
    view: {
      day?: string;
      today: string;
      status: 'waiting' | 'ok' | 'insufficient_data';
      score?: number;
      band?: 'high' | 'good' | 'fair' | 'low';
      revision?: number;
      points?: { [key: string]: number };
      change?: { score: number; parts: { [key: string]: { points: number; reweighted?: true } } };
      confidence?: number;
      confidenceLevel?: 'high' | 'medium' | 'low';
      missing?: {
        component: 'sleep' | 'hrv' | 'rhr' | 'activity' | 'mood';
        reason: 'no_data' | 'calibrating' | 'stale_source' | 'not_logged';
      }[];
      model?: string;
      computedAt?: number;
      stale?: true;
      hrvMs?: number;
      restingBpm?: number;
      days: {
        [key: string]: {
          score?: number;
          band?: 'high' | 'good' | 'fair' | 'low';
          hrvMs?: number;
          restingBpm?: number;
          sleepH?: number;
          load?: number;
        };
      };
    };
  };
  'user:{id}/notifications': {
    kind: 'log';
    item: {
      id: string;
      category: 'daily_summary' | 'recovery_alert' | 'weekly_report' | 'device_attention' | 'booking_update' | 'booking_reminder' | 'anomaly_alert' | 'job_done' | 'security' | 'marketing';
      severity: 'info' | 'warning' | 'critical';
      collapseKey: string;
      titleKey: string;
      args: { [key: string]: string | number };
      title: string;
      body: string;
      href?: string;
      at: number;
      expiresAt: number;
    };
  };
  'user:{id}/profile': {
    kind: 'state';
    view: {
      id: string;
      displayName: string;
      timeZone: string;
      registeredAt: number;
      hidden?: true;
      can?: { self: string[]; staff: string[] };
    } & { can?: { [role: string]: string[] } };
  };
}

export interface Commands {
  anomaly: {
    'anomaly.acknowledge': {
      input: { alertId: string; note?: string };
      reply: { repeated: boolean };
      rejects: 'NOT_FOUND' | 'ALERT_CLOSED';
    };
    'anomaly.adopt': {
      input: { [key: string]: never };
      reply: null;
      rejects: never;
    };
    'anomaly.configure': {
      input: {
        patch: {
          halfLife?: number;
          minLearn?: number;
          z0?: number;
          minDelta?: number;
          residualDelta?: number;
          deltaScale?: number;
          slack?: number;
          limit?: number;
          confirmPoints?: number;
          confirmPointsHigh?: number;
          recoverPoints?: number;
          adoptAfter?: number;
          maxGap?: number;
          minSeverity?: 'low' | 'medium' | 'high' | 'critical';
          cooldownMs?: number;
          staleAfterMs?: number;
          side?: 'both' | 'high' | 'low';
        };
        ifVersion?: number;
        tune?: 'reset';
      };
      reply: { cfgVersion: number };
      rejects: 'SEQ_MISMATCH';
    };
    'anomaly.feedback': {
      input: { alertId: string; label: 'true_positive' | 'false_positive' };
      reply: { repeated: boolean };
      rejects: 'NOT_FOUND';
    };
    'anomaly.missed': {
      input: { at: number; note?: string };
      reply: { labels: { fp: number; tp: number; missed: number } };
      rejects: never;
    };
    'anomaly.mute': {
      input: { until?: number; forMs?: number; reason: string };
      reply: { until: number };
      rejects: 'INVALID_RANGE';
    };
    'anomaly.reset': {
      input: { [key: string]: never };
      reply: null;
      rejects: never;
    };
    'anomaly.resolve': {
      input: { alertId: string; note?: string };
      reply: { repeated: boolean };
      rejects: 'NOT_FOUND' | 'ALERT_CLOSED';
    };
    'anomaly.unmute': {
      input: { [key: string]: never };
      reply: null;
      rejects: never;
    };
  };
  booking: {
    'booking.cancel': {
      input: { reason?: string };
      reply: { bookingId: string; attempt: number; replayed: boolean };
      rejects: never;
    };
    'booking.confirm': {
      input: { [key: string]: never };
      reply: { bookingId: string; attempt: number; replayed: boolean };
      rejects: never;
    };
    'booking.request': {
      input: {
        resourceId?: string;
        /** RFC 3339 with offset; or give localStart and timeZone */
        start?: string;
        /** wall clock time */
        localStart?: string;
        timeZone?: string;
        /** of a wall clock time that occurs twice or never */
        disambiguation?: 'reject' | 'earlier' | 'later';
        durationMin: number;
        party?: number;
        /** hold the slot until it is confirmed or the hold ends */
        holdOnly?: boolean;
        /** default 600 */
        holdTtlS?: number;
        source?: string;
        /** staff: whose booking it is */
        userId?: string;
      };
      reply: { bookingId: string; attempt: number; replayed: boolean };
      rejects: 'VALIDATION' | 'NONEXISTENT_LOCAL_TIME' | 'AMBIGUOUS_LOCAL_TIME' | 'UNKNOWN_TIME_ZONE' | 'INVALID_DURATION' | 'IDEMPOTENCY_MISMATCH';
    };
    'booking.reschedule': {
      input: {
        /** RFC 3339 with offset; or give localStart and timeZone */
        start?: string;
        /** wall clock time */
        localStart?: string;
        timeZone?: string;
        /** of a wall clock time that occurs twice or never */
        disambiguation?: 'reject' | 'earlier' | 'later';
        durationMin?: number;
        resourceId?: string;
        reason?: string;
      };
      reply: { bookingId: string; attempt: number; replayed: boolean };
      rejects: 'NO_CHANGE' | 'NONEXISTENT_LOCAL_TIME' | 'AMBIGUOUS_LOCAL_TIME' | 'UNKNOWN_TIME_ZONE' | 'INVALID_DURATION';
    };
  };
  breaker: {
    'breaker.force': {
      input: { [key: string]: never };
      reply: {
        state: 'closed' | 'open' | 'half_open' | 'isolated' | 'forced_closed';
        until?: number;
        /** in a row, without ten quiet minutes between them */
        openings: number;
        /** number of its last change */
        rev: number;
      };
      rejects: never;
    };
    'breaker.isolate': {
      input: { [key: string]: never };
      reply: {
        state: 'closed' | 'open' | 'half_open' | 'isolated' | 'forced_closed';
        until?: number;
        /** in a row, without ten quiet minutes between them */
        openings: number;
        /** number of its last change */
        rev: number;
      };
      rejects: never;
    };
    'breaker.reset': {
      input: { [key: string]: never };
      reply: {
        state: 'closed' | 'open' | 'half_open' | 'isolated' | 'forced_closed';
        until?: number;
        /** in a row, without ten quiet minutes between them */
        openings: number;
        /** number of its last change */
        rev: number;
      };
      rejects: never;
    };
    'breaker.subscribe': {
      input: { [key: string]: never };
      reply: null;
      rejects: 'TOO_MANY_SUBSCRIBERS';
    };
    'breaker.unsubscribe': {
      input: { [key: string]: never };
      reply: null;
      rejects: never;
    };
  };
  device: {
    'device.autosync': {
      input: { on: boolean };
      reply: { autoSync: boolean };
      rejects: never;
    };
    'device.connect': {
      input: { userId: string; provider: 'simulator' | 'standard'; label: string; timeZone: string };
      reply: { state: string; error?: string };
      rejects: never;
    };
    'device.disconnect': {
      input: { [key: string]: never };
      reply: { state: string };
      rejects: never;
    };
    'device.pause': {
      input: { [key: string]: never };
      reply: { state: string };
      rejects: never;
    };
    'device.resume': {
      input: { [key: string]: never };
      reply: { state: string };
      rejects: 'FORBIDDEN';
    };
    'device.sync': {
      input: { [key: string]: never };
      reply: { syncId: string; state: string };
      rejects: 'SYNC_TOO_SOON' | 'SYNC_IN_PROGRESS';
    };
  };
  resource: {
    'resource.block': {
      input: { reason?: string; blockId: string; start: number; end: number; force?: boolean };
      reply: {
        blockId: string;
        conflicts: { s: string; e: string; state: 'held' | 'confirmed' | 'blocked'; bookingId?: string }[];
      };
      rejects: 'SLOT_UNAVAILABLE' | 'INVALID_DURATION' | 'CLAIM_CONFLICT';
    };
    'resource.configure': {
      input: {
        patch: {
          name?: string;
          kind?: string;
          timeZone?: string;
          capacity?: number;
          capacityMode?: 'units' | 'pool';
          allocation?: 'first_fit' | 'best_fit';
          openingRules?: {
            /** 1 = Monday to 7 = Sunday */
            days: number[];
            from: string;
            /** not after `from`: ends on the next local day */
            to: string | '24:00';
            validFrom?: string;
            validTo?: string;
          }[];
          exceptions?: {
            dateFrom: string;
            dateTo: string;
            mode: 'closed' | 'open' | 'replace';
            windows?: { from: string; to: string | '24:00' }[];
            reason?: string;
          }[];
          minNoticeMin?: number;
          horizonDays?: number;
          slotStepMin?: number;
          slotAnchor?: 'opening' | 'midnight';
          enforceGrid?: boolean;
          tags?: string[];
          description?: string;
          /** who stands behind a person or a class */
          bio?: string;
          /** of one hour; shown, not charged */
          price?: {
            /** in the smallest unit of the currency */
            amountMinor: number;
            /** ISO 4217 */
            currency: string;
          };
        };
        expectedRev?: number;
      };
      reply: {
        resource: {
          resourceId: string;
          name: string;
          kind: string;
          timeZone: string;
          capacity: number;
          capacityMode: 'units' | 'pool';
          allocation: 'first_fit' | 'best_fit';
          openingRules: {
            /** 1 = Monday to 7 = Sunday */
            days: number[];
            from: string;
            /** not after `from`: ends on the next local day */
            to: string | '24:00';
            validFrom?: string;
            validTo?: string;
          }[];
          exceptions: {
            dateFrom: string;
            dateTo: string;
            mode: 'closed' | 'open' | 'replace';
            windows?: { from: string; to: string | '24:00' }[];
            reason?: string;
          }[];
          minNoticeMin: number;
          horizonDays: number;
          slotStepMin: number;
          slotAnchor: 'opening' | 'midnight';
          enforceGrid: boolean;
          tags: string[];
          description?: string;
          /** who stands behind a person or a class */
          bio?: string;
          /** of one hour; shown, not charged */
          price?: {
            /** in the smallest unit of the currency */
            amountMinor: number;
            /** ISO 4217 */
            currency: string;
          };
          status: 'active' | 'suspended' | 'retired';
          rev: number;
        };
        conflicts: { s: string; e: string; state: 'held' | 'confirmed' | 'blocked'; bookingId?: string }[];
      };
      rejects: 'SEQ_MISMATCH';
    };
    'resource.resume': {
      input: { reason?: string };
      reply: {
        resourceId: string;
        name: string;
        kind: string;
        timeZone: string;
        capacity: number;
        capacityMode: 'units' | 'pool';
        allocation: 'first_fit' | 'best_fit';
        openingRules: {
          /** 1 = Monday to 7 = Sunday */
          days: number[];
          from: string;
          /** not after `from`: ends on the next local day */
          to: string | '24:00';
          validFrom?: string;
          validTo?: string;
        }[];
        exceptions: {
          dateFrom: string;
          dateTo: string;
          mode: 'closed' | 'open' | 'replace';
          windows?: { from: string; to: string | '24:00' }[];
          reason?: string;
        }[];
        minNoticeMin: number;
        horizonDays: number;
        slotStepMin: number;
        slotAnchor: 'opening' | 'midnight';
        enforceGrid: boolean;
        tags: string[];
        description?: string;
        /** who stands behind a person or a class */
        bio?: string;
        /** of one hour; shown, not charged */
        price?: {
          /** in the smallest unit of the currency */
          amountMinor: number;
          /** ISO 4217 */
          currency: string;
        };
        status: 'active' | 'suspended' | 'retired';
        rev: number;
      };
      rejects: never;
    };
    'resource.retire': {
      input: { reason?: string; force?: boolean };
      reply: {
        resourceId: string;
        name: string;
        kind: string;
        timeZone: string;
        capacity: number;
        capacityMode: 'units' | 'pool';
        allocation: 'first_fit' | 'best_fit';
        openingRules: {
          /** 1 = Monday to 7 = Sunday */
          days: number[];
          from: string;
          /** not after `from`: ends on the next local day */
          to: string | '24:00';
          validFrom?: string;
          validTo?: string;
        }[];
        exceptions: {
          dateFrom: string;
          dateTo: string;
          mode: 'closed' | 'open' | 'replace';
          windows?: { from: string; to: string | '24:00' }[];
          reason?: string;
        }[];
        minNoticeMin: number;
        horizonDays: number;
        slotStepMin: number;
        slotAnchor: 'opening' | 'midnight';
        enforceGrid: boolean;
        tags: string[];
        description?: string;
        /** who stands behind a person or a class */
        bio?: string;
        /** of one hour; shown, not charged */
        price?: {
          /** in the smallest unit of the currency */
          amountMinor: number;
          /** ISO 4217 */
          currency: string;
        };
        status: 'active' | 'suspended' | 'retired';
        rev: number;
      };
      rejects: 'RESOURCE_IN_USE';
    };
    'resource.suspend': {
      input: { reason?: string };
      reply: {
        resourceId: string;
        name: string;
        kind: string;
        timeZone: string;
        capacity: number;
        capacityMode: 'units' | 'pool';
        allocation: 'first_fit' | 'best_fit';
        openingRules: {
          /** 1 = Monday to 7 = Sunday */
          days: number[];
          from: string;
          /** not after `from`: ends on the next local day */
          to: string | '24:00';
          validFrom?: string;
          validTo?: string;
        }[];
        exceptions: {
          dateFrom: string;
          dateTo: string;
          mode: 'closed' | 'open' | 'replace';
          windows?: { from: string; to: string | '24:00' }[];
          reason?: string;
        }[];
        minNoticeMin: number;
        horizonDays: number;
        slotStepMin: number;
        slotAnchor: 'opening' | 'midnight';
        enforceGrid: boolean;
        tags: string[];
        description?: string;
        /** who stands behind a person or a class */
        bio?: string;
        /** of one hour; shown, not charged */
        price?: {
          /** in the smallest unit of the currency */
          amountMinor: number;
          /** ISO 4217 */
          currency: string;
        };
        status: 'active' | 'suspended' | 'retired';
        rev: number;
      };
      rejects: never;
    };
    'resource.unblock': {
      input: { blockId: string };
      reply: { [key: string]: never };
      rejects: 'NOT_FOUND' | 'CLAIM_CONFLICT';
    };
  };
  user: {
    'notification.configure': {
      input: {
        preferences: {
          categories: { [key: string]: { inapp?: boolean; push?: boolean; email?: boolean; full?: boolean } };
          quiet?: { from: string; to: string; bypassCritical?: boolean };
          digestAt?: string;
        };
      };
      reply: null;
      rejects: never;
    };
    'notification.seen': {
      input: { topic: string; s: number; how: 'rendered' | 'opened' | 'dismissed' };
      reply: { s: number };
      rejects: never;
    };
    'user.update': {
      input: { displayName?: string; timeZone?: string; hidden?: boolean };
      reply: null;
      rejects: never;
    };
  };
}

export type ProblemCode =
  | 'ACCOUNT_LOCKED'
  | 'ACTOR_ERASED'
  | 'ACTOR_FAULT'
  | 'ACTOR_PAUSED'
  | 'ACTOR_QUARANTINED'
  | 'ALERT_CLOSED'
  | 'AMBIGUOUS_LOCAL_TIME'
  | 'BACKFILL_GAP'
  | 'BEYOND_HORIZON'
  | 'BOOKING_NOT_FOUND'
  | 'CIRCUIT_OPEN'
  | 'CLAIM_CONFLICT'
  | 'COMMIT_UNKNOWN'
  | 'CSRF'
  | 'DRAINING'
  | 'FORBIDDEN'
  | 'FORMAT_AHEAD'
  | 'HOLD_EXPIRED'
  | 'IDEMPOTENCY_IN_PROGRESS'
  | 'IDEMPOTENCY_MISMATCH'
  | 'INTERNAL'
  | 'INVALID_DURATION'
  | 'INVALID_GRANULARITY'
  | 'INVALID_IDEMPOTENCY_KEY'
  | 'INVALID_RANGE'
  | 'IN_PAST'
  | 'LIMIT_EXCEEDED'
  | 'MAILBOX_FULL'
  | 'METHOD_NOT_ALLOWED'
  | 'MIGRATION_FAILED'
  | 'MIN_NOTICE'
  | 'MOVED'
  | 'NONEXISTENT_LOCAL_TIME'
  | 'NOTHING_TO_CLASSIFY'
  | 'NOT_ALLOWED'
  | 'NOT_FOUND'
  | 'NOT_READY'
  | 'NOT_RETAINED'
  | 'NO_CHANGE'
  | 'OFF_GRID'
  | 'ORIGIN_DENIED'
  | 'OUTSIDE_OPENING_HOURS'
  | 'OVERLOADED'
  | 'PARTICIPANT_LOST'
  | 'PAYLOAD_TOO_LARGE'
  | 'POINT_IN_FUTURE'
  | 'PUSH_PROVIDER_OFF'
  | 'RATE_LIMITED'
  | 'REFRESH_REUSED'
  | 'REMOTE_SATURATED'
  | 'RESOURCE_CLAIM_LIMIT'
  | 'RESOURCE_EXISTS'
  | 'RESOURCE_IN_USE'
  | 'RESOURCE_NOT_FOUND'
  | 'RESOURCE_RETIRED'
  | 'RESOURCE_SUSPENDED'
  | 'RETRY'
  | 'SCOPES_MISSING'
  | 'SEQ_MISMATCH'
  | 'SIGNATURE_INVALID'
  | 'SLOT_UNAVAILABLE'
  | 'STATE_TOO_LARGE'
  | 'SYNC_IN_PROGRESS'
  | 'SYNC_TOO_SOON'
  | 'TIMEOUT'
  | 'TOKEN_EXPIRED'
  | 'TOO_MANY_IN_FLIGHT'
  | 'TOO_MANY_SUBSCRIBERS'
  | 'TOO_MANY_TOPICS'
  | 'UNAUTHENTICATED'
  | 'UNAVAILABLE'
  | 'UNKNOWN_COMMAND'
  | 'UNKNOWN_KIND'
  | 'UNKNOWN_TIME_ZONE'
  | 'UNKNOWN_TOPIC'
  | 'UNSUPPORTED_MEDIA_TYPE'
  | 'UNSUPPORTED_VERSION'
  | 'VALIDATION'
  | 'VERSION_AHEAD';
