/** Bundles each entry of the client SDK with its dependencies, minified, and compares its gzip size (bytes) with client-sdk/size.json. */
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { build } from 'vite';
import { websocketOnly } from './websocket-only.mjs';

/** given by the application, not by the SDK */
const PEERS = ['react'];

/** Gzip size of a module whose source is `code`, bundled for browsers. */
async function gzipped(code, plugins = []) {
  const entry = '\0entry';
  const output = await build({
    configFile: false,
    logLevel: 'silent',
    plugins: [
      ...plugins,
      { name: 'entry', resolveId: (id) => (id === 'entry' ? entry : undefined), load: (id) => (id === entry ? code : undefined) },
    ],
    build: {
      write: false,
      target: 'es2022',
      modulePreload: false,
      rolldownOptions: { input: 'entry', external: PEERS, output: { format: 'es' } },
    },
  });
  return gzipSync(output.output[0].code, { level: 9 }).length;
}

const main = "import { createClient, ThrumError } from '@thrum/client'; window.thrum = [createClient, ThrumError];";
const core = await gzipped(main);
const alone = await gzipped("import { io } from 'socket.io-client'; window.io = io;");
console.log(`socket.io-client alone  ${alone} B; own code of the main entry  ${core - alone} B`);
const entries = { '.': core, '. by WebSocket only': await gzipped(main, [websocketOnly()]) };
for (const name of ['outbox', 'push', 'react', 'storage']) {
  const both = `import { createClient, ThrumError } from "@thrum/client"; import * as more from '@thrum/client/${name}'; window.thrum = [createClient, ThrumError, more];`;
  entries[`./${name}`] = (await gzipped(both)) - core;
}
// a service worker is a file of its own
entries['./push/sw'] = await gzipped("import { handlePush } from '@thrum/client/push/sw'; handlePush();");
const budget = JSON.parse(readFileSync('client-sdk/size.json', 'utf8'));
for (const [name, size] of Object.entries(entries)) {
  const ok = size <= budget[name];
  console.log(
    `@thrum/client ${name}  ${name.startsWith('. ') || name === '.' || name === './push/sw' ? '' : '+ '}${size} B of ${budget[name]} B${ok ? '' : '  TOO LARGE'}`,
  );
  if (!ok) process.exitCode = 1;
}
