/** Serves the built pages of `dist/web`: files are read once and kept, so no path of a request ever reaches the file system. */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { extname, join, relative, sep } from 'node:path';
import { brotliCompress, constants, gzip } from 'node:zlib';
import { promisify } from 'node:util';
import type { Context } from 'koa';
import { hasSeen, PAGE_HEADERS } from './headers.ts';

interface Asset {
  readonly type: string;
  readonly etag: string;
  readonly cache: string;
  readonly body: Buffer;
  readonly packed: { readonly br?: Buffer; readonly gzip?: Buffer };
}

const TYPES: { readonly [extension: string]: string } = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.webmanifest': 'application/manifest+json; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.txt': 'text/plain; charset=utf-8',
};
const PACKED = new Set(['.html', '.js', '.css', '.json', '.webmanifest', '.svg', '.txt']);
const LEAST_PACKED_BYTES = 1_024;

const packGzip = promisify(gzip);
const packBrotli = promisify(brotliCompress);

/** Paths that show a page under a nicer name: `/` and `/inspect`, with whatever the page itself does below them. */
const PAGES: readonly (readonly [prefix: string, files: readonly string[]])[] = [
  ['/inspect', ['/inspect.html']],
  ['/', ['/app.html', '/index.html']],
];

/** @param root directory of the build; when it does not exist nothing is served */
export async function staticPages(root: string): Promise<(ctx: Context) => Promise<boolean>> {
  const assets = await load(root);
  return (ctx) => {
    const asset = find(assets, ctx.path);
    if (asset === undefined) return Promise.resolve(false);
    ctx.set({ ...PAGE_HEADERS, 'cache-control': asset.cache, etag: asset.etag });
    ctx.vary('Accept-Encoding');
    ctx.type = asset.type;
    if (hasSeen(ctx.get('if-none-match'), asset.etag)) {
      ctx.status = 304;
      return Promise.resolve(true);
    }
    const encoding = ctx.acceptsEncodings(['br', 'gzip', 'identity']);
    const packed = encoding === 'br' ? asset.packed.br : encoding === 'gzip' ? asset.packed.gzip : undefined;
    if (packed !== undefined && typeof encoding === 'string') ctx.set('content-encoding', encoding);
    ctx.status = 200;
    ctx.body = packed ?? asset.body;
    return Promise.resolve(true);
  };
}

function find(assets: ReadonlyMap<string, Asset>, path: string): Asset | undefined {
  const exact = assets.get(path);
  if (exact !== undefined) return exact;
  if (extname(path) !== '') return undefined;
  const page = PAGES.find(([prefix]) => path === prefix || path === `${prefix}/` || (prefix !== '/' && path.startsWith(`${prefix}/`)));
  return page?.[1].map((file) => assets.get(file)).find((asset) => asset !== undefined);
}

async function load(root: string): Promise<Map<string, Asset>> {
  const assets = new Map<string, Asset>();
  const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => []);
  for (const entry of entries) {
    const file = join(entry.parentPath, entry.name);
    const extension = extname(entry.name);
    const type = TYPES[extension];
    if (!entry.isFile() || type === undefined) continue;
    const path = `/${relative(root, file).split(sep).join('/')}`;
    const body = await readFile(file);
    const hashed = path.startsWith('/assets/');
    assets.set(path, {
      type,
      etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`,
      cache: hashed ? 'public, max-age=31536000, immutable' : 'no-cache',
      body,
      packed: PACKED.has(extension) && body.length >= LEAST_PACKED_BYTES ? await pack(body) : {},
    });
  }
  return assets;
}

const pack = async (body: Buffer): Promise<Asset['packed']> => ({
  br: await packBrotli(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } }),
  gzip: await packGzip(body),
});
