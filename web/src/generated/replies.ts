/** What the routes of the REST API answer on success. Written by `npm run gen` from the route table; do not edit. */
export interface Replies {
  'DELETE /v1/devices/:id': { state: string };
  'GET /.well-known/jwks.json': { keys: { [key: string]: unknown }[] };
  'GET /healthz': { status: 'ok'; uptimeS: number; version: string };
  'GET /readyz': {
    status: 'ready';
    durability: 'power' | 'process' | 'none';
    durabilityText: string;
    /** kinds of which the last 600 ms may be lost when the database crashes */
    relaxed: string[];
    checks: { [key: string]: { status: 'up' | 'down'; ms: number } };
  };
  'GET /v1/actors/:kind/:id/can': { seq: number; commands: string[] };
  'GET /v1/admin/actors': {
    items: {
      ref: string;
      kind: string;
      id: string;
      slot: number;
      status: string;
      /** state path, at most 5 s old */
      state: string | null;
      mver: number;
      lastSeq: number;
      lastAt: string | null;
      createdAt: string;
    }[];
    nextCursor?: string;
    /** nodes that did not answer in time; only of mailbox and faults */
    silent?: string[];
  };
  'GET /v1/admin/actors/:kind/:id': {
    ref: string;
    kind: string;
    id: string;
    actorId: string;
    status: string;
    /** state path */
    state: string;
    seq: number;
    mver: number;
    lastAt: string;
    slot: number;
    /** that serves the actor; null: nobody was ever given its slot */
    node: string | null;
    /** of the ownership of the slot */
    epoch: number;
    /** hot: can run, warm: kept in memory as text, cold: only in the store, unknown: its node does not answer */
    temperature: 'hot' | 'warm' | 'cold' | 'unknown';
    /** events that wait */
    mailbox: number;
    uncommitted: number;
    /** of the last minute */
    faults: number;
    /** code with which commands are refused now */
    closed: string | null;
    memory: {
      /** estimated; of a hot actor */
      bytes: number;
      /** since its last event; null when it is not hot */
      idleMs: number | null;
      /** commands that it would recognise at once */
      keys: number;
      /** journal rows since its last snapshot */
      tail: number;
      /** views that are kept ready for readers */
      hotTopics: string[];
    };
    /** messages and effects that are not finished, at most 100 */
    outbox: {
      /** of the event that asked for it */
      seq: number;
      n: number;
      /** tell or effect */
      op: string;
      /** actor, or name of the invocation */
      target: string;
      /** type of the message, or name of the effect */
      what: string;
      state: string;
      attempts: number;
      nextAt: string;
    }[];
    /** the newest dead letters, at most 10 */
    errors: {
      /** of the dead letter */
      id: number;
      source: string;
      /** of the event */
      type: string | null;
      error: unknown;
      at: string;
      resolution: string | null;
    }[];
    /** active states */
    value: unknown;
    context: { [key: string]: unknown };
    timers: { [key: string]: { type: string; due: string; seq: number } };
    /** effects under way, with the seq that started each */
    calls: { [key: string]: number };
    /** log topics, with the number of the last item */
    logs: { [key: string]: number };
  };
  'GET /v1/admin/actors/:kind/:id/at/:seq': {
    ref: string;
    seq: number;
    at: string;
    mver: number;
    /** state path */
    stateText: string;
    state: unknown;
    /** patch that leads to the state after the other event */
    diff?: unknown;
  };
  'GET /v1/admin/actors/:kind/:id/journal': {
    items: {
      seq: number;
      at: string;
      type: string;
      event: unknown;
      patch: unknown;
      reply: unknown;
      mver: number;
      meta: unknown;
    }[];
  };
  'GET /v1/admin/actors/:kind/:id/microsteps/:seq': {
    ref: string;
    seq: number;
    type: string;
    at: string;
    mver: number;
    microsteps: {
      event: string;
      taken: {
        /** descriptor of the transition, empty where it needs no event */
        event: string;
        source: string;
        targets: string[];
        guard?: string;
      }[];
      /** in the order in which they were asked */
      guards: { guard: string; answer: boolean }[];
      /** in the order in which they ran */
      actions: { type: string; params?: unknown }[];
    }[];
    /** what the event changes when it is handled once more; null when the machine throws */
    patch: unknown;
    /** whether that is what the journal has */
    agrees: boolean;
    fault?: string;
  };
  'GET /v1/admin/anomalies/alerts': {
    items: {
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
    }[];
    nextCursor?: string;
  };
  'GET /v1/admin/anomalies/alerts/:id': {
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
  'GET /v1/admin/anomalies/monitors': {
    items: {
      id: string;
      owner: string;
      metric: string;
      condition: 'learning' | 'normal' | 'suspect' | 'anomalous' | 'recovering';
      alerting: 'quiet' | 'open' | 'acknowledged' | 'cooling';
      mutedUntil?: number;
      lastT?: number;
      lastValue?: number;
      lastZ?: number;
      threshold: number;
      cfgVersion: number;
      updatedAt: number;
    }[];
    nextCursor?: string;
  };
  'GET /v1/admin/anomalies/monitors/:id': {
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
    cfg: {
      halfLife: number;
      minLearn: number;
      z0: number;
      minDelta: number;
      residualDelta: number;
      deltaScale: number;
      slack: number;
      limit: number;
      confirmPoints: number;
      confirmPointsHigh: number;
      recoverPoints: number;
      adoptAfter: number;
      maxGap: number;
      minSeverity: 'low' | 'medium' | 'high' | 'critical';
      cooldownMs: number;
      staleAfterMs: number;
      side: 'both' | 'high' | 'low';
      unit: string;
      transform: 'none' | 'ln';
      intervalMs: number;
      lo: number;
      hi: number;
    };
    cfgVersion: number;
    counts: { late: number; duplicates: number; invalid: number };
    falsePositives: { share: number | null; lower: number; upper: number; suggestion?: 'raise z0' | 'z0 may be lowered' };
  };
  'GET /v1/admin/audit': {
    items: {
      id: number;
      at: string;
      /** id of the user */
      admin: string;
      action: string;
      actorId: string | null;
      beforeSeq: number | null;
      afterSeq: number | null;
      reason: string | null;
      detail: { [key: string]: unknown };
    }[];
  };
  'GET /v1/admin/audit/log': {
    items: {
      chain: string;
      seq: number;
      at: string;
      /** user, key, admin, system or job */
      actorType: string;
      actorId: string | null;
      action: string;
      targetType: string;
      targetId: string;
      subjectUserId: string | null;
      outcome: string;
      reason: string | null;
      requestId: string | null;
      meta: { [key: string]: unknown };
      hash: string;
    }[];
    nextCursor?: string;
  };
  'GET /v1/admin/breakers': {
    items: {
      /** of the actor breaker:{id} */
      id: string;
      name: string;
      rules: 'remote' | 'provider' | 'dependency' | 'mail';
      /** of all nodes together; null: nothing has been reported yet */
      state: 'closed' | 'open' | 'half_open' | 'isolated' | 'forced_closed' | null;
      /** end of the wait */
      until: string | null;
      /** in a row */
      openings: number;
      /** at the node that answers, with the calls of its window */
      here: {
        state: 'closed' | 'open' | 'half_open' | 'isolated' | 'forced_closed';
        calls: number;
        failures: number;
        slow: number;
      };
    }[];
  };
  'GET /v1/admin/cluster': {
    mode: 'solo' | 'cluster';
    /** of this build */
    version: string;
    nodes: {
      id: string;
      /** the node that answers */
      self: boolean;
      address: string;
      started: string | null;
      /** order of the deployments */
      build: number;
      /** of the kinds that it can run */
      versions: { [key: string]: number };
      weight: number;
      /** whether its database answers */
      database: boolean;
      /** whether its clock is that of the database, within five seconds; if not, it gives up its slots */
      clock: boolean;
      /** that it serves */
      slots: number;
      /** null: it did not answer within two seconds */
      load: {
        /** actors that can run */
        hot: number;
        /** actors kept in memory as text */
        warm: number;
        /** estimated, of both */
        bytes: number;
        /** commands accepted and not answered */
        inflight: number;
        /** that the oldest queued command had waited when it was last looked at */
        queueAgeMs: number;
        longestMailbox: number;
        lanes: {
          /** rows that wait for their commit */
          uncommitted: number;
          /** for which commits have failed; 0 when they go through */
          troubledMs: number;
        }[];
        outboxPending: number;
        timersPending: number;
        /** appends that met a newer tail, since the start of the node */
        conflicts: number;
        /** commits whose answer was lost, since the start of the node */
        inDoubt: number;
        leaseLeftMs: number;
        /** the leases are out of reach */
        roaming: boolean;
      } | null;
    }[];
    /** within the hour and not back, as far as the node that answers has seen it; the last one first */
    gone: {
      id: string;
      address: string;
      build: number;
      at: string;
      /** it was stopped; else it has died, stands still or cannot reach the others */
      orderly: boolean;
    }[];
    /** by number: index of the owner in nodes, -1 for nobody that lives, and the epoch of its ownership; empty where one node serves all */
    slots: [number, number][];
  };
  'GET /v1/admin/dead': {
    items: {
      id: number;
      ref: string;
      /** command, tell, timer, result, undelivered: an event that failed; message: one that its receiver refused; effect */
      source: string;
      event: unknown;
      error: unknown;
      attempts: number;
      at: string;
      resolvedAt: string | null;
      resolvedBy: string | null;
      resolution: string | null;
    }[];
  };
  'GET /v1/admin/machines': { items: { kind: string; version: number; hash: string; commands: string[] }[] };
  'GET /v1/admin/machines/:kind': {
    kind: string;
    version: number;
    hash: string;
    commands: string[];
    definition: unknown;
    coverage: {
      /** every transition with how often all nodes have taken it; at most 10 s old */
      transitions: {
        /** number of the transition in document order */
        index: number;
        /** id of the state that it leaves */
        source: string;
        /** descriptor of the event, empty where it needs none */
        event: string;
        guard: string | null;
        /** ids of the states that it enters; empty: it stays */
        targets: string[];
        taken: number;
      }[];
      /** indices of the transitions that nobody has taken */
      never: number[];
    };
  };
  'GET /v1/admin/machines/:kind/coverage': {
    kind: string;
    version: number;
    hash: string;
    /** that have counts, the newest first */
    versions: number[];
    /** every transition with how often all nodes have taken it; at most 10 s old */
    transitions: {
      /** number of the transition in document order */
      index: number;
      /** id of the state that it leaves */
      source: string;
      /** descriptor of the event, empty where it needs none */
      event: string;
      guard: string | null;
      /** ids of the states that it enters; empty: it stays */
      targets: string[];
      taken: number;
    }[];
    /** indices of the transitions that nobody has taken */
    never: number[];
  };
  'GET /v1/admin/pauses': { items: { scope: string; reason: string; admin: string; at: string }[] };
  'GET /v1/admin/projections': {
    items: {
      /** `kind/name` */
      projection: string;
      table: string;
      /** of the declaration */
      version: number;
      /** older: the rows are of another version, or were never built */
      state: 'built' | 'building' | 'older';
      builtAt?: string;
      /** actors whose row this node could not write */
      failed: number;
    }[];
  };
  'GET /v1/admin/queues': {
    items: {
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
    }[];
  };
  'GET /v1/admin/queues/:queue/dlq': {
    items: {
      jobId: string;
      kind: string;
      attempts: number;
      /** max_attempts, non_retryable, expired, poison */
      reason: string;
      at: string;
      createdAt: string;
      /** what it is to do, or was */
      payload: unknown;
      errors: { at: number; code: string; message: string; durationMs: number }[];
    }[];
  };
  'GET /v1/admin/queues/:queue/jobs': {
    items: {
      jobId: string;
      kind: string;
      /** waiting: due and not begun; delayed: not due yet */
      state: 'waiting' | 'delayed' | 'active' | 'dead' | 'done' | 'cancelled';
      attempts: number;
      maxAttempts: number;
      priority: number;
      runAt: string;
      createdAt: string;
      lastAttemptAt: string | null;
      finishedAt: string | null;
      /** kind:id of whoever wanted it */
      actor: string | null;
      /** the dead job in whose place it is */
      replayOf: string | null;
      /** the job in its place */
      replayedBy: string | null;
      /** what it is to do, or was */
      payload: unknown;
      errors: { at: number; code: string; message: string; durationMs: number }[];
    }[];
  };
  'GET /v1/admin/resources/anomaly-severity': {
    tier: 'none' | 'low' | 'medium' | 'high' | 'critical';
    level: number;
    recommendedAction: string;
    text: string;
    reasons: { rule: string; value: number; threshold: number; tier: 'none' | 'low' | 'medium' | 'high' | 'critical' }[];
    thresholds: { z: number[]; residualDelta: number[] };
  };
  'GET /v1/admin/webhook-endpoints': {
    items: {
      id: string;
      url: string;
      description: string | null;
      types: string[];
      enabled: boolean;
      createdAt: number;
      disabledReason: string | null;
    }[];
  };
  'GET /v1/auth/sessions': {
    items: { id: string; createdAt: string; lastSeenAt: string; expiresAt: string; userAgent?: string; current: boolean }[];
  };
  'GET /v1/booking/availability': {
    available: boolean;
    resourceId: string;
    start: string;
    /** absent when the duration is no number of minutes */
    end?: string;
    unitsFree: number;
    reason?: string;
    conflicts?: { s: string; e: string; state: 'held' | 'confirmed' | 'blocked'; bookingId?: string }[];
  };
  'GET /v1/booking/bookings': {
    items: {
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
    }[];
    nextCursor?: string;
  };
  'GET /v1/booking/bookings/:id': {
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
  };
  'GET /v1/booking/resources': {
    items: {
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
    }[];
    nextCursor?: string;
  };
  'GET /v1/booking/resources/:id': {
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
  'GET /v1/booking/resources/:id/availability': {
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
  'GET /v1/booking/slots': {
    slots: { start: string; end: string; localStart: string; resourceIdsFree: string[]; unitsFree: number }[];
    /** sequence number of each resource read */
    asOf: { [key: string]: number };
    complete: boolean;
    incomplete: string[];
  };
  'GET /v1/cache/stats': {
    window: '5m' | '1h' | '24h';
    overall: {
      requests: number;
      hits: number;
      /** among the hits */
      staleHits: number;
      misses: number;
      /** null when nothing was asked for */
      hitRate: number | null;
      target: number;
      met: boolean | null;
    };
    byNamespace: {
      requests: number;
      hits: number;
      /** among the hits */
      staleHits: number;
      misses: number;
      /** null when nothing was asked for */
      hitRate: number | null;
      ns: string;
      /** time that half of the reads took at most */
      p50Ms: number | null;
      p95Ms: number | null;
    }[];
    tiers: {
      l1: { entries: number; bytes: number; evictions: number };
      /** null without Redis */
      l2: { up: boolean } | null;
    };
    stampede: {
      /** reads that waited for the computation of another one */
      coalesced: number;
      /** computations that waited for another node */
      lockWaits: number;
      /** values renewed before their end */
      earlyRefreshes: number;
    };
    invalidations: {
      /** tags made void by this node */
      byTag: number;
      lastAt: string | null;
    };
  };
  'GET /v1/demo': { logins: { email: string; password: string; displayName: string; roles: string[] }[] };
  'GET /v1/devices': {
    items: {
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
      can: string[];
    }[];
  };
  'GET /v1/devices/:id': {
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
  };
  'GET /v1/devices/:id/syncs': {
    items: {
      id: string;
      trigger: string;
      status: string;
      from: string;
      to: string;
      startedAt: number;
      durationMs?: number;
      recordCount: number;
      inserted: number;
      updated: number;
      duplicates: number;
      stale: number;
      rejected: number;
      attempt: number;
      errorCode?: string;
    }[];
    nextCursor?: string;
  };
  'GET /v1/integrations': {
    items: {
      id: string;
      kind: string;
      label: string;
      capabilities: { webhook: string; pull: boolean; backfillDays: number };
      scopes: string[];
    }[];
  };
  'GET /v1/me': {
    id: string;
    email: string;
    displayName: string;
    timeZone: string;
    plan: 'free' | 'pro' | 'team' | 'enterprise';
    roles: string[];
  };
  'GET /v1/me/alerts': {
    items: {
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
    }[];
    nextCursor?: string;
  };
  'GET /v1/me/alerts/:id': {
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
  'GET /v1/notifications': {
    items: {
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
      /** number of the item on `user:{id}/notifications` */
      s: number;
      state: 'live' | 'deferred' | 'digested' | 'pushing' | 'sent' | 'failed' | 'acknowledged' | 'suppressed' | 'expired';
      acknowledgedAt?: number;
    }[];
    /** number of the last item that was seen */
    seen: number;
  };
  'GET /v1/notifications/preferences': {
    preferences: {
      categories: { [key: string]: { inapp?: boolean; push?: boolean; email?: boolean; full?: boolean } };
      quiet?: { from: string; to: string; bypassCritical: boolean };
      digestAt: string;
    };
    categories: { [key: string]: { inapp: boolean; push: boolean; email: boolean; full: boolean } };
    endpoints: { [key: string]: { provider: 'webpush' | 'fcm' | 'apns' | 'log' | 'email'; at: number } };
  };
  'GET /v1/push/endpoints': {
    items: {
      id: string;
      provider: 'webpush' | 'fcm' | 'apns' | 'log' | 'email';
      deviceId?: string;
      platform?: string;
      registeredAt: string;
      lastSeenAt: string;
      lastSuccessAt?: string;
      failures: number;
      disabledAt?: string;
      disabledReason?: string;
    }[];
  };
  'GET /v1/push/vapid': { publicKey: string };
  'GET /v1/simulator/accounts': {
    items: {
      id: string;
      name: string;
      timeZone: string;
      profile: {
        brand: 'ring' | 'watch' | 'band';
        hrvMs: number;
        restingBpm: number;
        sleepH: number;
        steps: number;
        illness?: { from: string; nights: number };
      };
      faults: { rate429: number; rate500: number; timeouts: number };
      feed: boolean;
      revoked: boolean;
    }[];
  };
  'GET /v1/simulator/api/data': {
    batches: {
      version: 1;
      user: string;
      source: { name: string; type: 'ring' | 'band' | 'watch' | 'phone' | 'scale' | 'other'; brand: string; hwId?: string };
      records: {
        type: 'sleep';
        id?: string;
        start: string;
        end: string;
        updatedAt?: string;
        state?: 'tentative' | 'final';
        isNap?: boolean;
        timeInBedS?: number;
        totalSleepS?: number;
        latencyS?: number;
        stages?: { s: 'awake' | 'light' | 'deep' | 'rem'; start: string; end: string }[];
        hrLowestBpm?: number;
        hrvRmssdMs?: number;
        respRate?: number;
        skinTempDeltaC?: number;
      } | {
        type: 'workout';
        id?: string;
        start: string;
        end: string;
        updatedAt?: string;
        state?: 'tentative' | 'final';
        sport: string;
        energy?: { value: number; unit: string };
        distance?: { value: number; unit: string };
        hrAvgBpm?: number;
      } | {
        type: 'sample';
        metric: string;
        ts: string;
        value: number;
        unit?: string;
        updatedAt?: string;
        state?: 'tentative' | 'final';
      } | {
        type: 'daily';
        metric: string;
        day: string;
        value: number;
        unit?: string;
        updatedAt?: string;
        state?: 'tentative' | 'final';
      } | {
        type: 'delete';
        of: 'sleep' | 'workout' | 'sample' | 'daily';
        id?: string;
        start?: string;
        metric?: string;
        ts?: string;
        day?: string;
        updatedAt?: string;
        state?: 'tentative' | 'final';
      }[];
    }[];
    cursor?: string;
  };
  'GET /v1/topics/:subject/:view': {
    t: string;
    kind: 'state' | 'log' | 'signal';
    e?: string;
    s?: number;
    m?: 'snap' | 'delta' | 'same' | 'items';
    d?: unknown;
    floor?: number;
    more?: boolean;
    gap?: { from: number; to: number };
  };
  'GET /v1/topics/:subject/:view/items': { items: unknown[]; e: string; s: number; floor: number; more: boolean; gap?: { from: number; to: number } };
  'GET /v1/users': {
    items: {
      id: string;
      email: string;
      displayName: string;
      timeZone: string;
      plan: 'free' | 'pro' | 'team' | 'enterprise';
      roles: string[];
    }[];
    nextCursor?: string;
  };
  'GET /v1/users/:id/energy': {
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
  'PATCH /v1/admin/anomalies/monitors/:id': { cfgVersion: number };
  'PATCH /v1/booking/resources/:id': {
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
  'PATCH /v1/devices/:id': { autoSync: boolean };
  'POST /v1/actors/:kind/:id/commands/:type': { seq: number; reply?: unknown; dup?: true; ch?: string[] };
  'POST /v1/admin/actors/:kind/:id/erase': {
    /** of the last row */
    seq: number;
    /** false: it had been erased before */
    fresh: boolean;
  };
  'POST /v1/admin/actors/:kind/:id/poke': { seq: number; reply: unknown; repeated: boolean };
  'POST /v1/admin/actors/:kind/:id/resnapshot': {
    /** of the snapshot */
    seq: number;
  };
  'POST /v1/admin/actors/:kind/:id/timers/:timerId/cancel': { seq: number };
  'POST /v1/admin/actors/:kind/:id/timers/:timerId/fire': { seq: number };
  'POST /v1/admin/actors/:kind/:id/what-if': {
    ref: string;
    /** number of the state on which it was decided; 0: there is no actor yet */
    seq: number;
    at: string;
    accepted: boolean;
    reply?: unknown;
    refusal?: { code: string; detail?: string; details?: { [key: string]: unknown }; retryAfterMs?: number };
    /** state path */
    stateText: string;
    state: unknown;
    patch: unknown;
    microsteps: {
      event: string;
      taken: {
        /** descriptor of the transition, empty where it needs no event */
        event: string;
        source: string;
        targets: string[];
        guard?: string;
      }[];
      /** in the order in which they were asked */
      guards: { guard: string; answer: boolean }[];
      /** in the order in which they ran */
      actions: { type: string; params?: unknown }[];
    }[];
    messages: { to: string; type: string; payload: unknown }[];
    effects: { src: string; invoke: string; input: unknown }[];
    /** effects that would be given up */
    stopped: string[];
    armed: { [key: string]: { type: string; due: string; seq: number } };
    /** timers */
    cancelled: string[];
    /** of companion tables, items of log topics, and jobs; whether the database would take them is not tried */
    rows: { into: string; op: string; row: unknown }[];
    signals: { view: string; item: unknown }[];
  };
  'POST /v1/admin/anomalies/alerts/:id/ack': { repeated: boolean };
  'POST /v1/admin/anomalies/alerts/:id/feedback': { repeated: boolean };
  'POST /v1/admin/anomalies/alerts/:id/resolve': { repeated: boolean };
  'POST /v1/admin/anomalies/monitors/:id/adopt': null;
  'POST /v1/admin/anomalies/monitors/:id/missed': { labels: { fp: number; tp: number; missed: number } };
  'POST /v1/admin/anomalies/monitors/:id/mute': { until: number };
  'POST /v1/admin/anomalies/monitors/:id/reset': null;
  'POST /v1/admin/anomalies/monitors/:id/unmute': null;
  'POST /v1/admin/audit/verify': {
    ok: boolean;
    chains: number;
    rows: number;
    /** the first fault of each broken chain */
    faults: { chain: string; seq: number; what: string }[];
    /** entries that nobody has sealed for more than 10 s */
    waiting: number;
  };
  'POST /v1/admin/breakers/:id/force': {
    state: 'closed' | 'open' | 'half_open' | 'isolated' | 'forced_closed';
    /** in a row, without ten quiet minutes between them */
    openings: number;
    /** number of its last change */
    rev: number;
    until: string | null;
  };
  'POST /v1/admin/breakers/:id/isolate': {
    state: 'closed' | 'open' | 'half_open' | 'isolated' | 'forced_closed';
    /** in a row, without ten quiet minutes between them */
    openings: number;
    /** number of its last change */
    rev: number;
    until: string | null;
  };
  'POST /v1/admin/breakers/:id/reset': {
    state: 'closed' | 'open' | 'half_open' | 'isolated' | 'forced_closed';
    /** in a row, without ten quiet minutes between them */
    openings: number;
    /** number of its last change */
    rev: number;
    until: string | null;
  };
  'POST /v1/admin/dead/:id/retry': {
    seq: number;
    /** it had been applied before */
    repeated: boolean;
  };
  'POST /v1/admin/queues/:queue/dlq/:jobId/replay': {
    /** of the new job */
    jobId: string;
  };
  'POST /v1/admin/queues/:queue/dlq/replay': {
    replayed: number;
    /** of those: another job that does the same is not finished */
    left: number;
  };
  'POST /v1/admin/resources/anomaly-severity': {
    tier: 'none' | 'low' | 'medium' | 'high' | 'critical';
    level: number;
    recommendedAction: string;
    text: string;
    reasons: { rule: string; value: number; threshold: number; tier: 'none' | 'low' | 'medium' | 'high' | 'critical' }[];
    thresholds: { z: number[]; residualDelta: number[] };
  } | {
    items: {
      tier: 'none' | 'low' | 'medium' | 'high' | 'critical';
      level: number;
      recommendedAction: string;
      text: string;
      reasons: { rule: string; value: number; threshold: number; tier: 'none' | 'low' | 'medium' | 'high' | 'critical' }[];
      thresholds: { z: number[]; residualDelta: number[] };
    }[];
  };
  'POST /v1/admin/webhook-endpoints': { id: string; secret: string };
  'POST /v1/admin/webhook-endpoints/:id/rotate': { id: string; secret: string };
  'POST /v1/auth/login': {
    accessToken: string;
    refreshToken?: string;
    /** seconds */
    expiresIn: number;
    user: {
      id: string;
      email: string;
      displayName: string;
      timeZone: string;
      plan: 'free' | 'pro' | 'team' | 'enterprise';
      roles: string[];
    };
  };
  'POST /v1/auth/operator-token': {
    accessToken: string;
    refreshToken?: string;
    /** seconds */
    expiresIn: number;
    user: {
      id: string;
      email: string;
      displayName: string;
      timeZone: string;
      plan: 'free' | 'pro' | 'team' | 'enterprise';
      roles: string[];
    };
  };
  'POST /v1/auth/refresh': {
    accessToken: string;
    refreshToken?: string;
    /** seconds */
    expiresIn: number;
    user: {
      id: string;
      email: string;
      displayName: string;
      timeZone: string;
      plan: 'free' | 'pro' | 'team' | 'enterprise';
      roles: string[];
    };
  };
  'POST /v1/booking/bookings': {
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
  };
  'POST /v1/booking/bookings/:id/cancel': {
    booking: {
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
    };
  };
  'POST /v1/booking/bookings/:id/confirm': {
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
  };
  'POST /v1/booking/bookings/:id/reschedule': {
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
  };
  'POST /v1/booking/resources': {
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
  'POST /v1/booking/resources/:id/blocks': {
    blockId: string;
    conflicts: { s: string; e: string; state: 'held' | 'confirmed' | 'blocked'; bookingId?: string }[];
  };
  'POST /v1/booking/resources/:id/resume': {
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
  'POST /v1/booking/resources/:id/retire': {
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
  'POST /v1/booking/resources/:id/suspend': {
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
  'POST /v1/devices/:id/pause': { state: string };
  'POST /v1/devices/:id/resume': { state: string };
  'POST /v1/devices/:id/sync': { syncId: string; state: string };
  'POST /v1/integrations/:provider/connect': { deviceId: string; authorizeUrl?: string; expiresAt?: number; account?: string };
  'POST /v1/me/alerts/:id/ack': { repeated: boolean };
  'POST /v1/me/alerts/:id/feedback': { repeated: boolean };
  'POST /v1/me/alerts/:id/resolve': { repeated: boolean };
  'POST /v1/me/monitors/:metric/missed': { labels: { fp: number; tp: number; missed: number } };
  'POST /v1/me/monitors/:metric/mute': { until: number };
  'POST /v1/me/monitors/:metric/unmute': null;
  'POST /v1/notifications/seen': { s: number };
  'POST /v1/push/endpoints': {
    id: string;
    provider: 'webpush' | 'fcm' | 'apns' | 'log' | 'email';
    deviceId?: string;
    platform?: string;
    registeredAt: string;
    lastSeenAt: string;
    lastSuccessAt?: string;
    failures: number;
    disabledAt?: string;
    disabledReason?: string;
  };
  'POST /v1/push/endpoints/:id/test': { outcome: 'sent' | 'gone' | 'retry' | 'held' | 'reject' | 'too_large'; reason?: string };
  'POST /v1/realtime/token': {
    token: string;
    /** seconds */
    expiresIn: number;
  };
  'POST /v1/simulator/accounts/:id/commands': { sent: number };
  'POST /v1/simulator/oauth/token': { user: string; scopes: string[] };
  'POST /v1/webhooks/:provider': { received: true; duplicate?: true; ignored?: true };
  'PUT /v1/notifications/preferences': null;
  'PUT /v1/simulator/accounts/:id': {
    id: string;
    name: string;
    timeZone: string;
    profile: {
      brand: 'ring' | 'watch' | 'band';
      hrvMs: number;
      restingBpm: number;
      sleepH: number;
      steps: number;
      illness?: { from: string; nights: number };
    };
    faults: { rate429: number; rate500: number; timeouts: number };
    feed: boolean;
    revoked: boolean;
  };
}
