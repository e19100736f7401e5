/**
 * An embedder whose model lives in a process of its own, so that neither tokenizing nor inference blocks the event
 * loop of the server.
 *
 * Why not a worker thread: onnxruntime-node 1.14, which even the tokenizer library loads, has state that is shared
 * between threads. Loaded in a second thread after the first has ended it does not register or corrupts the heap,
 * and terminating a thread during inference aborts everything. A process can be opened, closed and opened again, gives
 * its memory back, and takes nobody with it when native code crashes on a damaged model.
 *
 * This side prefixes the texts, cuts them into batches and matches answers to questions. One batch of a call is under
 * way at a time, so that a query asked during a long job waits for one batch and not for the job.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { errorAt, fromErrorRecord, type NearpinError } from '../lib/errors.ts';
import type { DescribedEmbedder, ModelDescription } from './description.ts';
import type { EmbedAnswer, EmbedRequest } from './embed-process.ts';
import type { TextKind } from './embedder.ts';
import type { ModelLoad } from './loaded-model.ts';

const TEXTS_PER_MESSAGE = 64;
const PROGRAM = fileURLToPath(new URL('./embed-process.js', import.meta.url));
const STDERR = 2;

interface Waiting {
  readonly resolve: (vectors: Float32Array) => void;
  readonly reject: (error: NearpinError) => void;
}

/** What is known of a model before it is loaded. */
export type ModelIdentity = Omit<ModelDescription, 'dim'>;

export class ProcessEmbedder implements DescribedEmbedder {
  readonly description: ModelDescription;
  readonly model: string;
  readonly dim: number;
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 0;
  /** Why no more is taken: closed, or the process died. */
  #refusal: NearpinError | undefined;

  private constructor(child: ChildProcess, description: ModelDescription) {
    this.#child = child;
    this.description = description;
    this.model = `${description.name}@${description.revision}`;
    this.dim = description.dim;
    this.#ended = new Promise((resolve) => child.once('exit', () => resolve()));
    child.on('message', (answer: EmbedAnswer) => this.#settle(answer));
    child.on('error', (cause) => this.#stop(`its process cannot be reached: ${cause.message}`));
    child.on('exit', (code, signal) => this.#stop(`its process ended (${signal ?? `exit code ${code}`})`));
    this.#keepAlive(false);
  }

  /** Starts the process and loads the model in it. Rejects as the loaders do. */
  static async open(load: ModelLoad, identity: ModelIdentity): Promise<ProcessEmbedder> {
    const child = fork(PROGRAM, {
      execArgv: [],
      serialization: 'advanced',
      // What libraries print must not mix with a command's output.
      stdio: ['ignore', STDERR, STDERR, 'ipc'],
    });
    const dim = await new Promise<number>((resolve, reject) => {
      const fail = (what: string): void =>
        reject(errorAt('model_unavailable', 'model', `${identity.name} cannot be loaded: ${what}`));
      child.once('message', (answer: EmbedAnswer) => {
        if (answer.type === 'opened') resolve(answer.dim);
        if (answer.type === 'failed') reject(fromErrorRecord(answer.error));
      });
      child.once('error', (cause) => fail(cause.message));
      child.once('exit', (code, signal) => fail(`its process ended (${signal ?? `exit code ${code}`})`));
      child.send({ type: 'open', load } satisfies EmbedRequest);
    });
    return new ProcessEmbedder(child, { ...identity, dim });
  }

  async embed(texts: readonly string[], kind: TextKind): Promise<Float32Array[]> {
    const { queryPrefix, documentPrefix } = this.description;
    const prefix = (kind === 'query' ? queryPrefix : documentPrefix) ?? '';
    const vectors: Float32Array[] = [];
    for (let start = 0; start < texts.length; start += TEXTS_PER_MESSAGE) {
      const batch = texts.slice(start, start + TEXTS_PER_MESSAGE);
      // An empty text keeps its zero vector; the prefix alone would make it a point like any other.
      const flat = await this.#ask(batch.map((text) => (text.trim() === '' ? '' : prefix + text)));
      for (let i = 0; i < batch.length; i++) vectors.push(flat.slice(i * this.dim, (i + 1) * this.dim));
    }
    return vectors;
  }

  close(): Promise<void> {
    if (this.#refusal === undefined) {
      this.#refusal = errorAt('closed', 'model', `${this.model} is closed`);
      this.#keepAlive(true);
      this.#child.send({ type: 'close' } satisfies EmbedRequest);
    }
    return this.#ended;
  }

  #ask(texts: readonly string[]): Promise<Float32Array> {
    if (this.#refusal !== undefined) return Promise.reject(this.#refusal);
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#keepAlive(true);
      this.#child.send({ type: 'embed', id, texts } satisfies EmbedRequest);
    });
  }

  #settle(answer: EmbedAnswer): void {
    if (answer.type !== 'embedded' && answer.type !== 'refused') return;
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (this.#waiting.size === 0 && this.#refusal === undefined) this.#keepAlive(false);
    if (answer.type === 'embedded') waiting?.resolve(answer.vectors);
    else waiting?.reject(fromErrorRecord(answer.error));
  }

  /** Whether this process stays alive for the sake of the other one. */
  #keepAlive(yes: boolean): void {
    const method = yes ? 'ref' : 'unref';
    this.#child[method]();
    this.#child.channel?.[method]();
  }

  #stop(message: string): void {
    this.#refusal ??= errorAt('model_unavailable', 'model', `${this.model}: ${message}`);
    for (const { reject } of this.#waiting.values()) reject(this.#refusal);
    this.#waiting.clear();
  }
}
