/** Bundles each entry of the client SDK with its dependencies, minified, and compares its gzip size (bytes) with client-sdk/size.json. */
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { build } from 'vite';

/** Gzip size of a module whose source is `code`, bundled for browsers. */
async function gzipped(code) {
  const entry = '\0entry';
  const output = await build({
    configFile: false,
    logLevel: 'silent',
    plugins: [{ name: 'entry', resolveId: (id) => (id === 'entry' ? entry : undefined), load: (id) => (id === entry ? code : undefined) }],
    build: { write: false, target: 'es2022', modulePreload: false, rolldownOptions: { input: 'entry', output: { format: 'es' } } },
  });
  return gzipSync(output.output[0].code, { level: 9 }).length;
}

const entries = { '.': "import { createClient, ThrumError } from '@thrum/client'; window.thrum = [createClient, ThrumError];" };
const alone = await gzipped("import { io } from 'socket.io-client'; window.io = io;");
console.log(`socket.io-client alone  ${alone} B`);
const budget = JSON.parse(readFileSync('client-sdk/size.json', 'utf8'));
for (const [name, code] of Object.entries(entries)) {
  const size = await gzipped(code);
  const ok = size <= budget[name];
  console.log(`@thrum/client ${name}  ${size} B of ${budget[name]} B${ok ? '' : '  TOO LARGE'}  (own code ${size - alone} B)`);
  if (!ok) process.exitCode = 1;
}
