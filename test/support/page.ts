/** A page made of one module, for what needs a real browser and nothing else: bundled, served, opened. */
import type { Browser, Page } from 'playwright-core';
import { build } from 'vite';
import { startFakeServer } from './fake-server.ts';
import type { FakeServer } from './fake-server.ts';

/** The module with its imports, for a browser; JSX is transformed for React. */
async function bundle(source: string): Promise<string> {
  const id = '\0page.jsx';
  const made = await build({
    configFile: false,
    logLevel: 'silent',
    plugins: [
      { name: 'page', resolveId: (name) => (name === 'page' ? id : undefined), load: (name) => (name === id ? source : undefined) },
    ],
    build: { write: false, target: 'es2022', modulePreload: false, rolldownOptions: { input: 'page', output: { format: 'es' } } },
  });
  if (!('output' in made)) throw new Error('the page was not built');
  return made.output[0].code;
}

/** `newPage` opens it with nothing remembered of earlier ones. */
export async function servePage(browser: Browser, source: string): Promise<{ server: FakeServer; newPage: () => Promise<Page> }> {
  const script = await bundle(source);
  const server = await startFakeServer({
    handler(req, res) {
      const js = req.url === '/page.js';
      res.setHeader('content-type', js ? 'text/javascript' : 'text/html');
      res.end(js ? script : '<!doctype html><body><script type="module" src="/page.js"></script>');
    },
  });
  const newPage = async (): Promise<Page> => {
    const page = await (await browser.newContext()).newPage();
    await page.goto(server.url);
    return page;
  };
  return { server, newPage };
}
