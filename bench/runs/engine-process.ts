/** The benchmark's side of an engine's process. */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type ErrorRecord, fromErrorRecord, NearpinError } from '../../src/lib/errors.ts';
import type { AnswerOf, Opened, RequestName, Requests } from './protocol.ts';
import type { RunContext } from './run-context.ts';

const CHILD = fileURLToPath(new URL('./child.js', import.meta.url));

type Reply = { readonly answer: unknown } | { readonly error: ErrorRecord };

/** A command on these cores only, or on any where that is null. */
export function pinned(cores: string | null, command: readonly string[]): readonly string[] {
  return cores === null ? command : ['taskset', '-c', cores, ...command];
}

export class EngineProcess {
  readonly #engine: string;
  readonly #child: ChildProcess;
  #pending: { resolve: (answer: unknown) => void; reject: (error: Error) => void } | undefined;
  #failure: Error | undefined;

  /** @param cores list of cores for taskset, or null to run wherever the system likes */
  constructor(engine: string, { cores, signal }: Pick<RunContext, 'cores' | 'signal'>) {
    this.#engine = engine;
    const [command, ...args] = pinned(cores, [process.execPath, '--expose-gc', CHILD]);
    this.#child = spawn(command!, args, {
      // What engines print is for people: it must not end up in the results on stdout
      stdio: ['ignore', 2, 2, 'ipc'],
      serialization: 'advanced',
      env: { ...process.env, RUST_LOG: 'error' },
    });
    this.#child.on('message', (reply: Reply) => {
      const pending = this.#pending;
      this.#pending = undefined;
      if ('error' in reply) pending?.reject(fromErrorRecord(reply.error));
      else pending?.resolve(reply.answer);
    });
    this.#child.on('error', (error) => this.#fail(error));
    this.#child.on('exit', (code, end) =>
      this.#fail(new NearpinError('internal', `the process of ${engine} ended with ${end ?? code}`)),
    );
    const abort = () => {
      this.#fail(signal.reason);
      this.#child.kill('SIGKILL');
    };
    signal.addEventListener('abort', abort);
    this.#child.once('exit', () => signal.removeEventListener('abort', abort));
  }

  /** Starts the processes of engines; one whose package is not installed is left out, with a note. */
  static async startAll(
    engines: readonly string[],
    context: RunContext,
  ): Promise<(Opened & { readonly name: string; readonly process: EngineProcess })[]> {
    const started: (Opened & { readonly name: string; readonly process: EngineProcess })[] = [];
    for (const name of engines) {
      const process = new EngineProcess(name, context);
      try {
        started.push({ name, process, ...(await process.ask('open', { engine: name })) });
      } catch (error) {
        await process.close();
        if (!(error instanceof NearpinError) || error.code !== 'engine_unavailable') {
          for (const other of started) await other.process.close();
          throw error;
        }
        context.note(`${name} was left out: ${error.message}`);
      }
    }
    return started;
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#pending?.reject(this.#failure);
    this.#pending = undefined;
  }

  /** One request at a time. Rejects with what the engine threw, or when its process ends. */
  ask<R extends RequestName>(name: R, request: Requests[R]): Promise<AnswerOf[R]> {
    if (this.#failure) return Promise.reject(this.#failure);
    if (this.#pending) return Promise.reject(new Error(`${this.#engine} is still busy`));
    return new Promise<unknown>((resolve, reject) => {
      this.#pending = { resolve, reject };
      this.#child.send({ name, request });
    }) as Promise<AnswerOf[R]>;
  }

  /** Ends the process, which may clean up after itself. */
  async close(): Promise<void> {
    if (this.#failure) return;
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.disconnect();
    await ended;
  }
}
