import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

export function createRegistry(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
}

export interface HttpMetrics {
  readonly requests: Counter<'method' | 'route' | 'status'>;
  readonly seconds: Histogram<'route'>;
}

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];

export const httpMetrics = (registry: Registry): HttpMetrics => ({
  requests: new Counter({
    name: 'thrum_http_requests_total',
    help: 'Requests by method, route and status',
    labelNames: ['method', 'route', 'status'],
    registers: [registry],
  }),
  seconds: new Histogram({
    name: 'thrum_http_request_seconds',
    help: 'Time from the first byte of a request to its answer',
    labelNames: ['route'],
    buckets: SECONDS,
    registers: [registry],
  }),
});

export interface LiveMetrics {
  readonly connections: Gauge;
  readonly subscriptions: Gauge;
  readonly publications: Counter<'kind'>;
  readonly commands: Counter<'outcome'>;
  readonly commandSeconds: Histogram;
  readonly deliveries: Counter;
  readonly commitToEmit: Histogram;
  readonly handshakes: Counter<'result'>;
  readonly waiting: Gauge;
  readonly resumes: Counter<'result'>;
  readonly byes: Counter<'code'>;
  readonly congested: Gauge;
  readonly congestedTotal: Counter;
  readonly slowDisconnects: Counter;
  readonly clientReports: Counter<'counter'>;
}

export const liveMetrics = (registry: Registry): LiveMetrics => {
  const registers = [registry];
  return {
    connections: new Gauge({ name: 'thrum_rt_connections', help: 'Open sockets', registers }),
    subscriptions: new Gauge({ name: 'thrum_rt_subscriptions', help: 'Topics joined by all sockets', registers }),
    publications: new Counter({ name: 'thrum_rt_publications_total', help: 'Publications sent to rooms', labelNames: ['kind'], registers }),
    commands: new Counter({ name: 'thrum_rt_commands_total', help: 'Commands by outcome', labelNames: ['outcome'], registers }),
    commandSeconds: new Histogram({ name: 'thrum_rt_command_seconds', help: 'Time to the acknowledgement', buckets: SECONDS, registers }),
    deliveries: new Counter({ name: 'thrum_rt_deliveries_total', help: 'Publications times the sockets they were sent to', registers }),
    commitToEmit: new Histogram({
      name: 'thrum_rt_commit_to_emit_seconds',
      help: 'Time from the event to its publication, conflation included; every 16th publication',
      buckets: SECONDS,
      registers,
    }),
    handshakes: new Counter({
      name: 'thrum_rt_handshakes_total',
      help: 'Attempts to connect by result: ok, or the code of the refusal',
      labelNames: ['result'],
      registers,
    }),
    waiting: new Gauge({ name: 'thrum_rt_waiting', help: 'Newcomers that wait to be let in', registers }),
    resumes: new Counter({ name: 'thrum_rt_resume_total', help: 'Answers to subscriptions', labelNames: ['result'], registers }),
    byes: new Counter({ name: 'thrum_rt_byes_total', help: 'Connections ended by the server', labelNames: ['code'], registers }),
    congested: new Gauge({ name: 'thrum_rt_congested', help: 'Connections that do not read fast enough now', registers }),
    congestedTotal: new Counter({ name: 'thrum_rt_congested_total', help: 'Times a connection became congested', registers }),
    slowDisconnects: new Counter({ name: 'thrum_rt_slow_disconnects_total', help: 'Connections closed for not reading', registers }),
    clientReports: new Counter({
      name: 'thrum_rt_client_reports_total',
      help: 'What clients counted: gaps, duplicates and results of resuming',
      labelNames: ['counter'],
      registers,
    }),
  };
};

/** @param count asked at each scrape */
export const topicsGauge = (registry: Registry, count: () => number): Gauge =>
  new Gauge({
    name: 'thrum_rt_topics',
    help: 'Topics that somebody on this node follows',
    registers: [registry],
    collect() {
      this.set(count());
    },
  });
