import { writeFileSync } from 'node:fs';
import { defineConfig } from 'vite';

const outDir = new URL('../dist/web/', import.meta.url).pathname;

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
    rolldownOptions: { input: ['index.html', 'inspect.html'].map((page) => `${import.meta.dirname}/${page}`) },
  },
  plugins: [
    {
      name: 'mark-built',
      // scripts/build.mjs compares the age of this file with the sources
      closeBundle: () => writeFileSync(`${outDir}.built`, ''),
    },
  ],
});
