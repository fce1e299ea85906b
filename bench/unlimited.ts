/** The environment of a server that refuses no client for coming too often: what is measured is the work, not the limits. */
const MANY = '1000000';

export const unlimited = {
  HTTP_REQUESTS_PER_MINUTE: MANY,
  RT_CONNECTS_PER_MINUTE: MANY,
  RT_CONNECTS_PER_SECOND: MANY,
  RT_CONNECTIONS_PER_ADDRESS: MANY,
  RT_CONNECTIONS_PER_USER: MANY,
  RT_COMMANDS_PER_SECOND: MANY,
  RT_COMMANDS_PER_USER: MANY,
  RT_LOOP_DELAY_MS: MANY,
} as const;
