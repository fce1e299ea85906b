/** Child processes of the benches that are asked and told. */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const NODE_OPTIONS = ['--expose-gc', '--max-semi-space-size=32'];

const start = (file: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcess => {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), args, { execArgv: NODE_OPTIONS, env: { ...process.env, ...env } });
  child.on('error', () => undefined);
  return child;
};

/** A child process with one question at a time, which may also speak by itself. */
export class Peer<Order> {
  readonly #child: ChildProcess;
  #listener: ((message: object) => void) | undefined;

  constructor(file: string, args: readonly string[] = []) {
    this.#child = start(file, args);
    this.#child.on('message', (message) => this.#listener?.(message as object));
  }

  tell(order: Order): void {
    this.#child.send(order as object);
  }

  next<T>(): Promise<T> {
    return new Promise((resolve, reject) => {
      const ended = (code: number | null): void => reject(new Error(`a process ended with ${code}`));
      this.#child.once('exit', ended);
      this.#listener = (message) => {
        this.#child.off('exit', ended);
        this.#listener = undefined;
        resolve(message as T);
      };
    });
  }

  ask<T>(order: Order): Promise<T> {
    const answer = this.next<T>();
    this.tell(order);
    return answer;
  }

  on(listener: ((message: object) => void) | undefined): void {
    this.#listener = listener;
  }

  end(): void {
    this.#child.removeAllListeners('exit');
    this.#child.kill('SIGKILL');
  }
}

interface Asked {
  readonly id: number;
  readonly order: object;
}
interface Answered {
  readonly id: number;
  readonly answer?: unknown;
  readonly error?: string;
}

/** A child process with any number of questions at once; its other half is {@link answerOrders}. */
export class Remote<Order extends object> {
  readonly #child: ChildProcess;
  readonly #open = new Map<number, { readonly resolve: (answer: never) => void; readonly reject: (error: Error) => void }>();
  readonly ended: Promise<number | string>;
  #count = 0;

  constructor(file: string, env: Readonly<Record<string, string>> = {}) {
    this.#child = start(file, [], env);
    this.ended = new Promise((resolve) => {
      this.#child.once('exit', (code, signal) => {
        resolve(code ?? signal ?? 'unknown');
        for (const { reject } of this.#open.values()) reject(new Error(`${file} ended with ${code ?? signal}`));
        this.#open.clear();
      });
    });
    this.#child.on('message', (message) => {
      const { id, answer, error } = message as Answered;
      const asked = this.#open.get(id);
      this.#open.delete(id);
      if (error === undefined) asked?.resolve(answer as never);
      else asked?.reject(new Error(error));
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  ask<T>(order: Order): Promise<T> {
    this.#count += 1;
    const id = this.#count;
    return new Promise<T>((resolve, reject) => {
      this.#open.set(id, { resolve, reject });
      this.#child.send({ id, order } satisfies Asked, (error) => void (error !== null && reject(error)));
    });
  }

  async end(signal: 'SIGTERM' | 'SIGKILL' = 'SIGKILL'): Promise<number | string> {
    this.#child.kill(signal);
    return this.ended;
  }
}

/** In the child: answers the questions of the parent and ends with it. */
export function answerOrders(carryOut: (order: never) => Promise<object>): void {
  process.on('message', (message) => {
    const { id, order } = message as Asked;
    carryOut(order as never).then(
      (answer) => process.send?.({ id, answer } satisfies Answered),
      (error: unknown) =>
        process.send?.({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) } satisfies Answered),
    );
  });
  process.on('disconnect', () => process.exit(0));
}
