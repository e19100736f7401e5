/** The benchmark's side of an engine's process. */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type ErrorRecord, fromErrorRecord, NearpinError } from '../../src/lib/errors.ts';
import type { AnswerOf, RequestName, Requests } from './protocol.ts';

const CHILD = fileURLToPath(new URL('./child.js', import.meta.url));

type Reply = { readonly answer: unknown } | { readonly error: ErrorRecord };

export class EngineProcess {
  readonly engine: string;
  readonly #child: ChildProcess;
  #pending: { resolve: (answer: unknown) => void; reject: (error: Error) => void } | undefined;
  #failure: Error | undefined;

  /** @param cores list of cores for taskset, or null to run wherever the system likes */
  constructor(engine: string, cores: string | null) {
    this.engine = engine;
    const node = [process.execPath, '--expose-gc', CHILD];
    const [command, ...args] = cores === null ? node : ['taskset', '-c', cores, ...node];
    // What engines print is for people: it must not end up in the results on stdout
    this.#child = spawn(command!, args, { stdio: ['ignore', 2, 2, 'ipc'], serialization: 'advanced' });
    this.#child.on('message', (reply: Reply) => {
      const pending = this.#pending;
      this.#pending = undefined;
      if ('error' in reply) pending?.reject(fromErrorRecord(reply.error));
      else pending?.resolve(reply.answer);
    });
    this.#child.on('error', (error) => this.#fail(error));
    this.#child.on('exit', (code, signal) =>
      this.#fail(new NearpinError('internal', `the process of ${engine} ended with ${signal ?? code}`)),
    );
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#pending?.reject(this.#failure);
    this.#pending = undefined;
  }

  /** One request at a time. Rejects with what the engine threw, or when its process ends. */
  ask<R extends RequestName>(name: R, request: Requests[R]): Promise<AnswerOf[R]> {
    if (this.#failure) return Promise.reject(this.#failure);
    return new Promise<unknown>((resolve, reject) => {
      this.#pending = { resolve, reject };
      this.#child.send({ name, request });
    }) as Promise<AnswerOf[R]>;
  }

  /** Ends the process, whatever it does. */
  async close(): Promise<void> {
    if (this.#failure) return;
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGKILL');
    await ended;
  }
}
