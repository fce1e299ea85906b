/** The only file that reads the environment. One table: name, schema, default, unit and a sentence; parsed once, frozen, passed on. */
import { availableParallelism } from 'node:os';
import { z } from 'zod';

interface Setting<S extends z.ZodType> {
  readonly name: string;
  readonly schema: S;
  /** text of the default as an operator would write it; undefined = absent */
  readonly default?: string;
  /** how the documentation shows a default that depends on the machine */
  readonly shown?: string;
  readonly unit?: string;
  readonly text: string;
}

const setting = <S extends z.ZodType>(
  name: string,
  schema: S,
  text: string,
  o: { default?: string; unit?: string; shown?: string } = {},
): Setting<S> => ({
  name,
  schema,
  text,
  ...o,
});

const int = (min: number, max: number) =>
  z
    .stringFormat('integer', /^-?\d{1,12}$/)
    .transform(Number)
    .pipe(z.int().min(min).max(max));
const url = (protocols: RegExp) => z.url({ protocol: protocols });
const originOf = (text: string): string => (URL.canParse(text) ? new URL(text).origin : '');
const addresses = z
  .string()
  .transform((text) => text.split(',').map((one) => /^\s*(?:\[(.+)\]|([^:]+)):(\d{1,5})\s*$/.exec(one) ?? []))
  .transform((found) => found.map(([, six, host = six, port]) => ({ host, port: Number(port) })))
  .pipe(z.array(z.strictObject({ host: z.string(), port: z.int().min(1).max(65_535) })));
const origin = z
  .string()
  .refine((text) => /^https?:/.test(text) && [originOf(text), `${originOf(text)}/`].includes(text.toLowerCase()))
  .transform(originOf);

/** What one socket may send by default; `RT_RATES` overrides single ones. */
const presetRates = 'sub=50/512,auth=0.1/6,seen=10/20,pos=0.1/2,vis=0.5/2,bytes=262144/1048576,malformed=0.167/10';
const rate = z.strictObject({ perSecond: z.number().positive(), burst: z.number().min(1) });
const ratesOf = (text: string): [string, z.output<typeof rate>][] =>
  text.split(',').map((entry) => {
    const [, name = '', perSecond, burst] = /^\s*(\w+)=(\d{1,9}(?:\.\d{1,3})?)\/(\d{1,9})\s*$/.exec(entry) ?? [];
    return [name, { perSecond: Number(perSecond), burst: Number(burst) }];
  });
const rates = z
  .string()
  .transform((text) => Object.fromEntries([...ratesOf(presetRates), ...ratesOf(text)]))
  .pipe(z.strictObject({ sub: rate, auth: rate, seen: rate, pos: rate, vis: rate, bytes: rate, malformed: rate }));

export const settings = {
  port: setting('PORT', int(0, 65_535), 'Port of the HTTP and socket server; 0 takes any free one.', { default: '3000' }),
  host: setting('HOST', z.string().min(1).optional(), 'Address to listen on; absent means every address of the machine.'),
  publicUrl: setting(
    'PUBLIC_URL',
    origin.optional(),
    'Origin under which clients reach the server; issuer of the tokens. Default: http://localhost:PORT.',
  ),
  dataDir: setting('DATA_DIR', z.string().min(1), 'Directory of the embedded database, the keys and files.', { default: './data' }),
  databaseUrl: setting('DATABASE_URL', url(/^postgres(ql)?$/).optional(), 'PostgreSQL to use; absent means the embedded one in DATA_DIR.'),
  redisUrl: setting(
    'REDIS_URL',
    url(/^(rediss?|unix)$/).optional(),
    'Redis that connects several nodes: redis://, rediss:// or unix:///path of a socket. Absent means one node.',
  ),
  redisSentinels: setting(
    'REDIS_SENTINELS',
    addresses.optional(),
    'Sentinels that know the primary, host:port with commas between them. The host in REDIS_URL is then the name of the primary.',
  ),
  redisCluster: setting(
    'REDIS_CLUSTER',
    addresses.optional(),
    'Some nodes of a Redis Cluster, host:port with commas between them. REDIS_URL then only tells the user, the password and whether there is TLS.',
  ),
  redisCa: setting(
    'REDIS_CA',
    z.string().min(1).optional(),
    'File (PEM) with the authority behind the certificates of Redis, for rediss://. Absent means those that Node.js trusts.',
  ),
  redisCert: setting(
    'REDIS_CERT',
    z.string().min(1).optional(),
    'File (PEM) with the certificate that Redis asks of its clients (tls-auth-clients yes).',
  ),
  redisKey: setting('REDIS_KEY', z.string().min(1).optional(), 'File (PEM) with the private key of REDIS_CERT.'),
  redisNamespace: setting(
    'REDIS_NAMESPACE',
    z.string().regex(/^[A-Za-z0-9._-]{1,64}$/),
    'Name of this installation among those that share a Redis.',
    { default: 'main' },
  ),
  build: setting('BUILD', int(1, 999_999_999_999), 'Number of this deployment: actors move to nodes with an equal or a higher one only.', {
    default: '1',
  }),
  nodeWeight: setting(
    'NODE_WEIGHT',
    int(0, 1_000),
    'Share of the actors that this node takes, against those of the others; 0 takes none.',
    {
      default: '100',
    },
  ),
  realtimeAdapter: setting(
    'REALTIME_ADAPTER',
    z.enum(['classic', 'sharded']),
    'How publications reach the sockets of other nodes: one channel to which every node listens, or, from about eight nodes on and with Redis 7, one for each topic.',
    { default: 'classic' },
  ),
  takeover: setting(
    'TAKEOVER',
    z.enum(['eager', 'lease']),
    'Whether the actors of a node that nobody can reach are taken at once, or when its lease has ended (6 s).',
    { default: 'eager' },
  ),
  logLevel: setting('LOG_LEVEL', z.enum(['debug', 'info', 'warn', 'error', 'silent']), 'Least level that is logged.', { default: 'info' }),
  allowedOrigins: setting(
    'ALLOWED_ORIGINS',
    z
      .string()
      .transform((s) => s.split(',').map((o) => o.trim()))
      .pipe(z.array(origin).min(1))
      .optional(),
    'Origins, separated by commas, whose pages may call with credentials. Default: PUBLIC_URL and its localhost spellings.',
  ),
  trustedProxies: setting('TRUSTED_PROXIES', int(0, 16), 'Number of proxies in front whose X-Forwarded-For is believed.', { default: '0' }),
  cacheL1Mb: setting('CACHE_L1_MB', int(1, 4_096), 'Size of the cache in this process, MB.', { default: '64' }),
  kernelLanes: setting(
    'KERNEL_LANES',
    int(1, 16),
    'Commit pipelines on a PostgreSQL server; each uses one connection. The embedded database has one.',
    { default: '2' },
  ),
  kernelFuse: setting(
    'KERNEL_FUSE',
    z.enum(['on', 'off']),
    'Whether a message between actors may be committed together with the event that sends it, where its command allows that. Off: every message goes by the outbox.',
    { default: 'on' },
  ),
  kernelRetention: setting(
    'KERNEL_RETENTION',
    z.enum(['on', 'off']),
    'Whether history that is no longer kept is removed in the background: events and snapshots as their kinds say, items of log topics as their topics say, actors that ended long ago.',
    { default: 'on' },
  ),
  traceSample: setting(
    'TRACE_SAMPLE',
    z.coerce.number().min(0).max(1),
    'Share of the commands that get a span when an OpenTelemetry SDK is loaded; those that come with a traceparent follow it, faults always have one.',
    { default: '0.01' },
  ),
  auditRetentionDays: setting('AUDIT_RETENTION_DAYS', int(1, 36_500), 'How long entries of the audit log are kept.', {
    default: '730',
    unit: 'days',
  }),
  kernelAnchorDays: setting(
    'KERNEL_ANCHOR_DAYS',
    int(1, 36_500),
    'How long one state of each day of activity is kept of an actor whose events of that day are gone.',
    { default: '90', unit: 'days' },
  ),
  kernelInflight: setting('KERNEL_INFLIGHT', int(1, 10_000_000), 'Commands and reads accepted and not answered.', { default: '20000' }),
  kernelInflightBytes: setting('KERNEL_INFLIGHT_BYTES', int(65_536, 4_294_967_296), 'Bytes of their payloads.', {
    default: '67108864',
    unit: 'bytes',
  }),
  kernelActivations: setting('KERNEL_ACTIVATIONS', int(100, 10_000_000), 'Actors in memory, hot and warm.', { default: '50000' }),
  kernelActivationBytes: setting('KERNEL_ACTIVATION_BYTES', int(1_048_576, 68_719_476_736), 'Estimated bytes of the actors in memory.', {
    default: '536870912',
    unit: 'bytes',
  }),
  kernelWarmAfterMs: setting(
    'KERNEL_WARM_AFTER_MS',
    int(1_000, 86_400_000),
    'Idle time after which an actor is kept as text outside the heap.',
    {
      default: '30000',
      unit: 'ms',
    },
  ),
  kernelLoads: setting('KERNEL_LOADS', int(1, 64), 'Queries at once that read actors, each up to 256 of them.', { default: '4' }),
  kernelLaneRows: setting('KERNEL_LANE_ROWS', int(64, 1_000_000), 'Events of one lane that wait for their commit.', { default: '8192' }),
  kernelLaneBytes: setting(
    'KERNEL_LANE_BYTES',
    int(1_048_576, 4_294_967_296),
    'Bytes of the events of one lane that wait for their commit.',
    {
      default: '33554432',
      unit: 'bytes',
    },
  ),
  kernelRingBytes: setting('KERNEL_RING_BYTES', int(0, 4_294_967_296), 'Bytes of recent publications kept for clients that reconnect.', {
    default: '67108864',
    unit: 'bytes',
  }),
  argon2Concurrency: setting('ARGON2_CONCURRENCY', int(1, 64), 'Password hashes computed at once.', {
    default: String(Math.min(64, availableParallelism())),
    shown: 'number of cores',
  }),
  argon2MemoryKib: setting('ARGON2_MEMORY_KIB', int(8_192, 1_048_576), 'Memory of one password hash.', { default: '19456', unit: 'KiB' }),
  argon2Time: setting('ARGON2_TIME', int(1, 16), 'Passes of one password hash.', { default: '2' }),
  accessTtlS: setting('ACCESS_TTL_S', int(60, 900), 'Life of an access token.', { default: '900', unit: 's' }),
  refreshTtlS: setting('REFRESH_TTL_S', int(600, 7_776_000), 'Life of a refresh token that is not used.', {
    default: '2592000',
    unit: 's',
  }),
  sessionMaxS: setting('SESSION_MAX_S', int(600, 31_536_000), 'Greatest age of a login session.', { default: '7776000', unit: 's' }),
  bodyBytes: setting('BODY_BYTES', int(1_024, 16_777_216), 'Greatest JSON body, unless a route says otherwise.', {
    default: '65536',
    unit: 'bytes',
  }),
  jsonDepth: setting('JSON_DEPTH', int(4, 256), 'How deep the JSON of a request or a message may be nested.', { default: '16' }),
  jsonKeys: setting('JSON_KEYS', int(16, 1_000_000), 'Keys that one object of it may have.', { default: '1000' }),
  commandBytes: setting('COMMAND_BYTES', int(1_024, 16_777_216), 'Greatest payload of a command, from a socket or a request.', {
    default: '32768',
    unit: 'bytes',
  }),
  webhookBytes: setting('WEBHOOK_MAX_BYTES', int(1_024, 67_108_864), 'Greatest body of an incoming webhook.', {
    default: '10485760',
    unit: 'bytes',
  }),
  connectionsPerAddress: setting('RT_CONNECTIONS_PER_ADDRESS', int(1, 1_000_000), 'Sockets open at once from one address.', {
    default: '200',
  }),
  connectsPerMinute: setting(
    'RT_CONNECTS_PER_MINUTE',
    int(1, 10_000_000),
    'New sockets a minute from one address, with half as many in a burst.',
    {
      default: '60',
    },
  ),
  connectionsPerUser: setting('RT_CONNECTIONS_PER_USER', int(1, 1_000_000), 'Sockets open at once of one user; the oldest idle one goes.', {
    default: '20',
  }),
  commandsPerSecond: setting(
    'RT_COMMANDS_PER_SECOND',
    int(1, 1_000_000),
    'Commands a second of one socket, with twice as many in a burst.',
    {
      default: '20',
    },
  ),
  commandsPerUser: setting('RT_COMMANDS_PER_USER', int(1, 1_000_000), 'Commands a second of one user over all sockets.', { default: '60' }),
  inFlightPerConnection: setting('RT_IN_FLIGHT', int(1, 1_000_000), 'Commands of one socket that wait for their answer.', {
    default: '64',
  }),
  messageBytes: setting('RT_MESSAGE_BYTES', int(4_096, 16_777_216), 'Greatest message of a client; a larger one ends its socket.', {
    default: '65536',
    unit: 'bytes',
  }),
  connectsPerSecond: setting(
    'RT_CONNECTS_PER_SECOND',
    int(1, 1_000_000),
    'New sockets a second of the node, with twice as many in a burst.',
    {
      default: '500',
    },
  ),
  connectWaitMs: setting(
    'RT_CONNECT_WAIT_MS',
    int(0, 60_000),
    'How long a newcomer waits to be let in when more come than that, before he is refused; 0 refuses at once.',
    { default: '10000', unit: 'ms' },
  ),
  rates: setting(
    'RT_RATES',
    rates,
    'What one socket may send, as name=perSecond/burst separated by commas: entries of sub, messages auth, seen, pos and vis, bytes, malformed messages. What is not named keeps its default.',
    { default: presetRates },
  ),
  topicsPerConnection: setting('RT_TOPICS', int(1, 100_000), 'Topics of one socket.', { default: '256' }),
  requestsPerMinute: setting(
    'HTTP_REQUESTS_PER_MINUTE',
    int(1, 10_000_000),
    'Requests a minute of one caller, webhooks and probes apart.',
    {
      default: '6000',
    },
  ),
  loginsPerAddress: setting('LOGINS_PER_ADDRESS', int(1, 1_000_000), 'Failed logins of one address in 15 minutes.', { default: '20' }),
  loopDelayMs: setting(
    'RT_LOOP_DELAY_MS',
    int(20, 1_000_000),
    'While the event loop is later than this, at the 99th percentile of 5 s, a quarter as many new sockets are let in at each turn of it.',
    { default: '200', unit: 'ms' },
  ),
  polling: setting(
    'RT_POLLING',
    z.enum(['on', 'off']),
    'Whether sockets may also come by HTTP long-polling; behind a load balancer that needs sticky routing.',
    { default: 'off' },
  ),
  drainPauseMs: setting(
    'DRAIN_PAUSE_MS',
    int(0, 60_000),
    'Time between the end of readiness and the first goodbye on SIGTERM, for load balancers to notice.',
    {
      default: '2000',
      unit: 'ms',
    },
  ),
  drainMs: setting('DRAIN_MS', int(0, 60_000), 'Time over which sockets are told to leave on SIGTERM; on SIGINT at most a second.', {
    default: '20000',
    unit: 'ms',
  }),
  demo: setting(
    'DEMO',
    z.enum(['auto', 'on', 'off']),
    'Whether an empty database gets the demo studio and its users; auto: the embedded one does, PostgreSQL does not.',
    { default: 'auto' },
  ),
  simulator: setting('SIMULATOR', z.enum(['on', 'off']), 'Whether the built-in wearables provider runs and feeds the demo users.', {
    default: 'on',
  }),
  simulatorFeedMs: setting(
    'SIMULATOR_FEED_MS',
    int(0, 86_400_000),
    'Time between two rounds of the live feed of the simulated wearables; 0 is off.',
    {
      default: '10000',
      unit: 'ms',
    },
  ),
  webhookAllowPrivate: setting(
    'WEBHOOK_ALLOW_PRIVATE',
    z.enum(['on', 'off']),
    'Whether outgoing webhooks may go to addresses of our own network.',
    {
      default: 'off',
    },
  ),
  vapidSubject: setting(
    'VAPID_SUBJECT',
    z.union([z.url({ protocol: /^https$/ }), z.string().regex(/^mailto:[^@\s]+@[^@\s]+$/)]).optional(),
    'Address, mailto: or https, under which push services reach the operator. Default: PUBLIC_URL, if it is https.',
  ),
  fcmServiceAccount: setting(
    'FCM_SERVICE_ACCOUNT',
    z.string().min(1).optional(),
    'Key file (JSON) of the service account for Firebase Cloud Messaging. Absent: Android apps cannot be called.',
  ),
  apnsKey: setting('APNS_KEY', z.string().min(1).optional(), 'Key file (.p8) for Apple push. Absent: Apple apps cannot be called.'),
  apnsKeyId: setting('APNS_KEY_ID', z.string().length(10).optional(), 'Identifier of the key of APNS_KEY.'),
  apnsTeamId: setting('APNS_TEAM_ID', z.string().length(10).optional(), 'Identifier of the team that owns the key of APNS_KEY.'),
  smtpUrl: setting(
    'SMTP_URL',
    url(/^smtps?$/).optional(),
    'Server that takes our mail: smtp://user:password@host:587 or smtps://…. Absent: mails are only told to the log.',
  ),
  mailFrom: setting(
    'MAIL_FROM',
    z.string().regex(/^(?:[^<>\r\n]{0,100}<[^<>@\s]+@[^<>@\s]+>|[^<>@\s]+@[^<>@\s]+)$/),
    'Sender of our mail.',
    {
      default: 'Thrum <thrum@localhost.invalid>',
    },
  ),
  pushAllowPrivate: setting(
    'PUSH_ALLOW_PRIVATE',
    z.enum(['on', 'off']),
    'Whether Web Push endpoints may lie in our own network or be without TLS; for tests.',
    { default: 'off' },
  ),
  standardSecrets: setting(
    'PROVIDER_STANDARD_WEBHOOK_SECRET',
    z
      .string()
      .transform((s) => s.split(',').map((x) => x.trim()))
      .pipe(z.array(z.string().regex(/^whsec_[A-Za-z0-9+/=]{22,}$/)).max(3))
      .optional()
      .transform((list) => list ?? []),
    'Secrets whsec_… of senders of Standard Webhooks, separated by commas, the newest first. Absent: the provider is off.',
  ),
} as const;

type Parsed = { readonly [K in keyof typeof settings]: z.output<(typeof settings)[K]['schema']> };

export type Config = Omit<Parsed, 'publicUrl' | 'allowedOrigins'> & {
  readonly publicUrl: string;
  readonly allowedOrigins: readonly string[];
};

/** All faults of the environment at once: names and rules, never values. */
export class ConfigError extends Error {
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(`the configuration is wrong:\n${faults.map((f) => `  ${f}`).join('\n')}`);
    this.name = 'ConfigError';
    this.faults = faults;
  }
}

/**
 * Reads the settings.
 *
 * @throws ConfigError naming every faulty variable
 */
export function readConfig(env: { readonly [name: string]: string | undefined } = process.env): Config {
  const faults: string[] = [];
  const values: Record<string, unknown> = {};
  for (const [key, s] of Object.entries(settings) as [string, Setting<z.ZodType>][]) {
    const text = env[s.name];
    const result = s.schema.safeParse(text === undefined || text === '' ? s.default : text);
    if (result.success) values[key] = result.data;
    else faults.push(`${s.name}: ${rule(result.error)}. ${s.text}`);
  }
  if (values['redisUrl'] !== undefined && values['publicUrl'] === undefined)
    faults.push('PUBLIC_URL: several nodes need one address, which is the issuer of their tokens. ' + settings.publicUrl.text);
  const among = ['redisSentinels', 'redisCluster'].filter((name) => values[name] !== undefined).length;
  if (among > (values['redisUrl'] === undefined ? 0 : 1))
    faults.push('REDIS_SENTINELS, REDIS_CLUSTER: one of them beside REDIS_URL. ' + settings.redisUrl.text);
  const tls = ['redisCa', 'redisCert', 'redisKey'].some((name) => values[name] !== undefined);
  if (tls && !String(values['redisUrl']).startsWith('rediss:'))
    faults.push('REDIS_CA, REDIS_CERT, REDIS_KEY: only beside a REDIS_URL with rediss://. ' + settings.redisUrl.text);
  if ((values['redisCert'] === undefined) !== (values['redisKey'] === undefined))
    faults.push('REDIS_CERT, REDIS_KEY: neither or both. ' + settings.redisKey.text);
  if (faults.length > 0) throw new ConfigError(faults);
  const parsed = values as unknown as Parsed;
  const publicUrl = parsed.publicUrl ?? `http://localhost:${parsed.port}`;
  return Object.freeze({ ...parsed, publicUrl, allowedOrigins: parsed.allowedOrigins ?? ownOrigins(publicUrl) });
}

/** What was expected; zod's own messages may quote the value, so only their harmless part is taken. */
function rule(error: z.ZodError): string {
  const issue = error.issues[0];
  if (issue === undefined) return 'invalid';
  switch (issue.code) {
    case 'too_small':
      return `must be at least ${issue.minimum}`;
    case 'too_big':
      return `must be at most ${issue.maximum}`;
    case 'invalid_value':
      return `must be one of ${issue.values.join(', ')}`;
    case 'invalid_format':
      return `must be a valid ${issue.format}`;
    case 'custom':
      return 'must be an origin without path';
    default:
      return 'is not valid';
  }
}

/** A browser on the same machine may spell its own address in three ways. */
function ownOrigins(publicUrl: string): string[] {
  const { protocol, hostname, port } = new URL(publicUrl);
  const local = ['localhost', '127.0.0.1', '[::1]'];
  if (!local.includes(hostname)) return [publicUrl];
  return local.map((host) => `${protocol}//${host}${port === '' ? '' : `:${port}`}`);
}
