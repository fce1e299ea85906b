/** A page made of one module, for what needs a real browser and nothing else: bundled, served, opened. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { build } from 'vite';
import { startFakeServer } from './fake-server.ts';
import type { FakeServer } from './fake-server.ts';

/** where Node writes what was covered, when coverage is measured; pages add theirs in the same form */
const coverage = process.env['NODE_V8_COVERAGE'];

/** The module with its imports, for a browser; JSX is transformed for React. */
async function bundle(source: string): Promise<string> {
  const id = '\0page.jsx';
  const made = await build({
    configFile: false,
    logLevel: 'silent',
    plugins: [
      { name: 'page', resolveId: (name) => (name === 'page' ? id : undefined), load: (name) => (name === id ? source : undefined) },
      {
        name: 'maps of the library',
        load: async (name) =>
          coverage !== undefined && /client-sdk\/dist\/.*\.js$/.test(name)
            ? { code: await readFile(name, 'utf8'), map: await readFile(`${name}.map`, 'utf8') }
            : undefined,
      },
    ],
    build: {
      write: false,
      target: 'es2022',
      modulePreload: false,
      minify: coverage === undefined,
      sourcemap: coverage === undefined ? false : 'inline',
      rolldownOptions: { input: 'page', output: { format: 'es' } },
    },
  });
  if (!('output' in made)) throw new Error('the page was not built');
  return made.output[0].code;
}

/** Collects what the script of a page covers from now on; the result writes it. */
async function measure(page: Page, script: string, folder: string): Promise<() => Promise<void>> {
  await page.coverage.startJSCoverage({ resetOnNavigation: false });
  return async () => {
    const scripts = await page.coverage.stopJSCoverage();
    // the report reads the script again, to find its map, so it must lie below the project
    const dir = mkdtempSync('dist/page-');
    const path = join(dir, 'page.js');
    writeFileSync(path, script);
    const result = scripts
      .filter(({ url }) => url.endsWith('/page.js'))
      .map(({ scriptId, functions }) => ({ scriptId, url: pathToFileURL(path).href, functions }));
    writeFileSync(join(folder, `coverage-${process.pid}-${dir.slice(-6)}.json`), JSON.stringify({ result }));
  };
}

/** `newPage` opens it with nothing remembered of earlier ones; `close` ends the pages and their server. */
export async function servePage(
  browser: Browser,
  source: string,
): Promise<{ server: FakeServer; newPage: () => Promise<Page>; close: () => Promise<void> }> {
  const script = await bundle(source);
  const ends: (() => Promise<void>)[] = [];
  const server = await startFakeServer({
    handler(req, res) {
      const js = req.url === '/page.js';
      res.setHeader('content-type', js ? 'text/javascript' : 'text/html');
      res.end(js ? script : '<!doctype html><body><script type="module" src="/page.js"></script>');
    },
  });
  const newPage = async (): Promise<Page> => {
    const page = await (await browser.newContext()).newPage();
    if (coverage !== undefined) ends.push(await measure(page, script, coverage));
    await page.goto(server.url);
    return page;
  };
  const close = async (): Promise<void> => {
    for (const end of ends) await end();
    await server.close();
  };
  return { server, newPage, close };
}
