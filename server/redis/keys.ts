/**
 * Every key and channel that Thrum uses in Redis. The part in braces is the hash tag: all keys of one installation lie on one node of a Redis
 * Cluster, so that a script may touch several of them; an ACL of `thrum:{ns}:*` fits them all.
 */
export interface RedisKeys {
  /** JSON of a NodeInfo; it ends with the lease of the node */
  readonly node: (id: string) => string;
  /** sorted set: node -> its last renewal, ms of Redis' clock */
  readonly nodes: string;
  /** hash: slot -> `node|epoch` */
  readonly slots: string;
  /** number that changes with the nodes and with the slots */
  readonly version: string;
  /** channel of one node */
  readonly busOf: (node: string) => string;
  /** channel of all nodes */
  readonly busAll: string;
  /** before `:<queue>:…` of the keys that Bull makes */
  readonly queues: string;
  /** list of the dead jobs of a queue, JSON, the last first */
  readonly deadJobs: (queue: string) => string;
  /** before `:<key>` of what a limiter has let through and has not flowed off: a hash */
  readonly limit: (name: string) => string;
  /** what is kept of failed logins: sorted set of `failures`, the `lock`, number of `locks` */
  readonly login: (what: 'failures' | 'lock' | 'locks', key: string) => string;
  /** sorted set: connections of `user:<id>` or of `org:<id>`, `node/key` -> end, ms of Redis' clock */
  readonly presence: (subject: string) => string;
  /** hash: `node/key` -> what its node says of it */
  readonly presenceFacts: (subject: string) => string;
  /** channel: whose connections have changed */
  readonly presenceTold: string;
  /** an entry of the cache: `<namespace>:<version>:<id>` */
  readonly cached: (key: string) => string;
  /** version of a tag; without a time to live */
  readonly cacheTag: (tag: string) => string;
  /** who computes an entry */
  readonly cacheLock: (key: string) => string;
  /** channel of the versions of tags */
  readonly cacheTold: string;
  /** channel of the changes of circuits */
  readonly circuits: string;
  /** what the names of all channels of the socket adapter begin with */
  readonly io: string;
}

/** @param namespace name of the installation, 1 to 64 characters without braces */
export function redisKeys(namespace: string): RedisKeys {
  const own = `thrum:{${namespace}}`;
  return {
    node: (id) => `${own}:shard:node:${id}`,
    nodes: `${own}:shard:nodes`,
    slots: `${own}:shard:slots`,
    version: `${own}:shard:ver`,
    busOf: (node) => `${own}:bus:${node}`,
    busAll: `${own}:bus:all`,
    queues: `${own}:queue`,
    deadJobs: (queue) => `${own}:queue:${queue}:dlq`,
    limit: (name) => `${own}:limit:${name}`,
    login: (what, key) => `${own}:login:${what}:${key}`,
    presence: (subject) =>
      subject.startsWith('user:') ? `${own}:presence:${subject.slice('user:'.length)}` : `${own}:presence-${subject}`,
    presenceFacts: (subject) => `${own}:presence-facts:${subject}`,
    presenceTold: `${own}:presence-told`,
    cached: (key) => `${own}:cache:${key}`,
    cacheTag: (tag) => `${own}:cache:tag:${tag}`,
    cacheLock: (key) => `${own}:cache:lock:${key}`,
    cacheTold: `${own}:cache-told`,
    circuits: `${own}:circuits`,
    io: `${own}:io`,
  };
}
