import { writeFileSync } from 'node:fs';
import { defineConfig } from 'vite';
import { websocketOnly } from '../scripts/websocket-only.mjs';

const outDir = new URL('../dist/web/', import.meta.url).pathname;

const nameOf = (page: string): string => page.replace(/^.*\/|\.\w+$/g, '');

export default defineConfig({
  root: import.meta.dirname,
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  resolve: { alias: { react: 'preact/compat' } },
  build: {
    outDir,
    emptyOutDir: true,
    target: 'es2022',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    rolldownOptions: {
      input: Object.fromEntries(
        ['index.html', 'inspect.html', 'src/sw.ts'].map((page) => [nameOf(page), `${import.meta.dirname}/${page}`]),
      ),
      // a service worker rules the paths below its own, and keeps its name
      output: { entryFileNames: ({ name }) => (name === 'sw' ? 'sw.js' : 'assets/[name]-[hash].js') },
    },
  },
  plugins: [
    websocketOnly(),
    {
      name: 'mark-built',
      // scripts/build.mjs compares the age of this file with the sources
      closeBundle: () => writeFileSync(`${outDir}.built`, ''),
    },
  ],
});
