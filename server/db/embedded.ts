/** The embedded database as seen from the main thread: connections for the ordinary driver, each a stream to the worker. */
import { Duplex } from 'node:stream';
import { Worker } from 'node:worker_threads';
import type { Log } from '../../actors/types.ts';

export type ToEngine =
  | { readonly type: 'open'; readonly id: number }
  | { readonly type: 'data'; readonly id: number; readonly bytes: Uint8Array }
  | { readonly type: 'end'; readonly id: number }
  | { readonly type: 'stop' };

export type FromEngine =
  | { readonly type: 'ready'; readonly version: string }
  | { readonly type: 'data'; readonly id: number; readonly bytes: Uint8Array }
  | { readonly type: 'end'; readonly id: number }
  | { readonly type: 'stopped' };

export interface EngineOptions {
  readonly dir: string;
  /** ms that a transaction may wait for its client while others wait for the engine; then it is rolled back and its connection ended */
  readonly idleInTransaction: number;
}

export interface Embedded {
  readonly version: string;
  /** A new connection, as the driver's option `stream` wants it. */
  open(): Duplex;
  /** Waits for the statement that runs, writes a checkpoint, ends the worker. */
  stop(): Promise<void>;
}

/** What the driver calls on a socket. */
class EngineSocket extends Duplex {
  readonly #id: number;
  readonly #post: (m: ToEngine, transfer?: ArrayBuffer[]) => void;

  constructor(id: number, post: (m: ToEngine, transfer?: ArrayBuffer[]) => void) {
    super({ allowHalfOpen: false, highWaterMark: 1 << 20 });
    this.#id = id;
    this.#post = post;
  }

  connect(): this {
    this.#post({ type: 'open', id: this.#id });
    process.nextTick(() => this.emit('connect'));
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  override _read(): void {
    // the worker pushes
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    this.#send([chunk]);
    done();
  }

  override _writev(chunks: { chunk: Uint8Array }[], done: (error?: Error) => void): void {
    this.#send(chunks.map(({ chunk }) => chunk));
    done();
  }

  override _final(done: (error?: Error) => void): void {
    this.push(null);
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#post({ type: 'end', id: this.#id });
    done(error);
  }

  /** Copies once, into memory of its own that moves to the worker. (A view would be cloned with the whole buffer behind it.) */
  #send(chunks: readonly Uint8Array[]): void {
    const bytes = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
    let at = 0;
    for (const chunk of chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    this.#post({ type: 'data', id: this.#id, bytes }, [bytes.buffer]);
  }
}

/**
 * Starts the engine in a worker thread on a directory, which is created when it does not exist.
 *
 * Should the worker die, every connection breaks, as with a server that goes down; `onDeath` tells.
 */
export async function startEmbedded(options: EngineOptions, log: Log, onDeath: (error: Error) => void): Promise<Embedded> {
  const worker = new Worker(new URL('engine.js', import.meta.url), { workerData: options, execArgv: [] });
  const sockets = new Map<number, EngineSocket>();
  let stopping: (() => void) | undefined;
  let ready = false;
  let dead = false;
  let ids = 0;

  const post = (m: ToEngine, transfer: ArrayBuffer[] = []): void => {
    if (!dead) worker.postMessage(m, transfer);
  };

  const version = await new Promise<string>((resolve, reject) => {
    worker.on('message', (m: FromEngine) => {
      if (m.type === 'ready') {
        ready = true;
        resolve(m.version);
      } else if (m.type === 'stopped') stopping?.();
      else if (m.type === 'end') sockets.get(m.id)?.destroy();
      else sockets.get(m.id)?.push(m.bytes);
    });
    const died = (error: Error): void => {
      reject(error);
      if (dead) return;
      dead = true;
      for (const socket of sockets.values()) socket.destroy(stopping ? undefined : error);
      if (stopping) return stopping();
      if (!ready) return;
      log.error({ err: error }, 'embedded database died');
      onDeath(error);
    };
    // an error of another thread is a copy, and no instance of this thread's Error
    worker.on('error', (cause) => died(new Error(`the embedded database failed: ${cause.message}`, { cause })));
    worker.on('exit', (code) => died(new Error(`the embedded database ended with code ${code}`)));
  });

  return {
    version,
    open: () => {
      const id = ++ids;
      const socket = new EngineSocket(id, post);
      sockets.set(id, socket);
      socket.on('close', () => sockets.delete(id));
      if (dead) process.nextTick(() => socket.destroy(new Error('the embedded database is not running')));
      return socket;
    },
    stop: async () => {
      if (dead) return;
      await new Promise<void>((resolve) => {
        stopping = resolve;
        post({ type: 'stop' });
      });
      await worker.terminate();
    },
  };
}
