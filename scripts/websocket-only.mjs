/**
 * For Vite and Rollup: leaves HTTP long-polling and WebTransport out of `engine.io-client`. The client library uses WebSocket only, but the
 * package names its three transports in one list that no tree-shaking can cut.
 */
export const websocketOnly = () => ({
  name: 'websocket-only',
  enforce: 'pre',
  load: (id) =>
    id.endsWith('engine.io-client/build/esm/transports/index.js')
      ? "import { WS } from './websocket.js'; export const transports = { websocket: WS };"
      : undefined,
});
