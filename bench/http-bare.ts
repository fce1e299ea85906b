/** Baseline of the HTTP bench: a bare Koa route that does one INSERT through a pool and answers. No validation, no caller, no statechart. */
import Koa from 'koa';
import { Pool } from 'pg';

const CONNECTIONS = 32;

async function bodyOf(stream: AsyncIterable<Buffer>): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString('utf8'));
}

/** Starts the server on a free port; the parent is told the port. */
async function main(databaseUrl: string): Promise<void> {
  const pool = new Pool({ connectionString: databaseUrl, max: CONNECTIONS });
  await pool.query(
    'create table if not exists bench_bare (id bigint generated always as identity primary key, actor text not null, body jsonb not null, at timestamptz not null default now())',
  );
  const app = new Koa();
  app.use(async (ctx) => {
    const actor = ctx.path.split('/')[3];
    const body = await bodyOf(ctx.req);
    const { rows } = await pool.query<{ id: string }>({
      name: 'bare',
      text: 'insert into bench_bare (actor, body) values ($1, $2) returning id',
      values: [actor, body],
    });
    ctx.body = { steps: Number(rows[0]?.id) };
  });
  const server = app.listen(0, '127.0.0.1', () => {
    const address = server.address();
    process.send?.({ port: typeof address === 'object' ? address?.port : undefined });
  });
  process.once('disconnect', () => process.exit(0));
}

await main(process.argv[2] ?? '');
