/** The Lua scripts, each a file of its own with a header that says what goes in and out. */
import { readFileSync } from 'node:fs';

const read = (name: string): string => readFileSync(new URL(`lua/${name}.lua`, import.meta.url), 'utf8');

/** Text of a script of the leases, with what they share before it. */
export const shardScript = (name: 'renew' | 'claim' | 'transfer' | 'leave' | 'table'): string => `${read('shard')}\n${read(name)}`;

/** Text of the script that counts a failed login. */
export const loginScript = (): string => read('login-failed');

/** Text of the script that adds to a bucket. */
export const limitScript = (): string => read('limit');

/** Text of the script of the roster. */
export const rosterScript = (): string => read('roster');
