/** The environment of a server whose clients all come from one address, and many of them as one person. What the node bears is limited as shipped. */
const MANY = '1000000';

export const unlimited = {
  HTTP_REQUESTS_PER_MINUTE: MANY,
  RT_CONNECTS_PER_MINUTE: MANY,
  RT_CONNECTIONS_PER_ADDRESS: MANY,
  RT_CONNECTIONS_PER_USER: MANY,
  RT_COMMANDS_PER_SECOND: MANY,
  RT_COMMANDS_PER_USER: MANY,
} as const;
