/**
 * The embedded library: an index in this process, with the requests and answers of the HTTP API.
 *
 *     const index = await openIndex('indexes/demo');
 *     const { hits } = await index.search({ text: 'emerald velvet sofa', k: 5 });
 *     await index.close();
 */
import { availableParallelism } from 'node:os';
import type { ModelSource } from '../embed/models.ts';
import type { EngineName } from '../engines/engine.ts';
import { createEngineHost, type EngineHost } from '../engines/engine-host.ts';
import type { Pin } from '../index/pin.ts';
import { runBatch } from '../retrieval/batch.ts';
import type {
  BatchAnswer,
  BatchRequest,
  DeleteAnswer,
  DeleteRequest,
  GenerationDescription,
  HomefeedAnswer,
  HomefeedRequest,
  IndexDescription,
  MultiAnswer,
  NotificationsAnswer,
  NotificationsRequest,
  QueryRequest,
  RecallAnswer,
  RecallRequest,
  RelatedRequest,
  RetrievalAnswer,
  SearchRequest,
  SurfaceList,
  UpsertAnswer,
  UpsertRequest,
  Vector,
} from '../retrieval/contract.ts';
import { describeIndex, describeSurfaces } from '../retrieval/describe.ts';
import { runHomefeed } from '../retrieval/homefeed.ts';
import { parseMixerConfig } from '../retrieval/mixer-config.ts';
import { runNotifications } from '../retrieval/notifications.ts';
import { readPin } from '../retrieval/pins.ts';
import { runQuery } from '../retrieval/query.ts';
import { measureRecall } from '../retrieval/recall.ts';
import { runRelated } from '../retrieval/related.ts';
import { runSearch } from '../retrieval/search.ts';
import { runDelete, runUpsert, writable } from '../retrieval/write.ts';
import { type AssembledIndex, assembleIndex } from './assemble.ts';

export type { Filter } from '../index/filter.ts';
export type { Pin } from '../index/pin.ts';
export { ERRORS, type ErrorCode, NearpinError } from '../lib/errors.ts';
export type * from '../retrieval/contract.ts';
export { type Credit, creditClicks } from '../retrieval/experiments/interleave.ts';

export interface OpenIndexOptions extends ModelSource {
  /** Search threads; cores - 1, at least 1, when absent. */
  readonly workers?: number;
  /** What searches; `wasm` when absent. */
  readonly engine?: EngineName;
  /** Leaves the files as they are and refuses writes, as it does when another process writes to the index. */
  readonly readOnly?: boolean;
  /** What a server reads from the index's `mixer.json`: surfaces and experiments. Nothing is read from there here. */
  readonly mixer?: unknown;
}

const clock = () => performance.timeOrigin + performance.now();

/** An open index. Every method rejects with a NearpinError. */
export class EmbeddedIndex {
  readonly #host: EngineHost;
  readonly #assembled: AssembledIndex;

  constructor(host: EngineHost, assembled: AssembledIndex) {
    this.#host = host;
    this.#assembled = assembled;
  }

  describe(): IndexDescription {
    return describeIndex(this.#assembled);
  }

  /** The surfaces as they are in force. */
  surfaces(): SurfaceList {
    return describeSurfaces(this.#assembled.current());
  }

  /** The pins nearest to a vector, or to each of several. */
  query(request: QueryRequest & { readonly vectors: readonly Vector[] }): Promise<MultiAnswer>;
  query(request: QueryRequest): Promise<RetrievalAnswer>;
  query(request: QueryRequest): Promise<RetrievalAnswer | MultiAnswer> {
    return this.#assembled.use((index) => runQuery(index, request, clock));
  }

  /** The pins related to some pins; none of those. */
  related(request: RelatedRequest): Promise<RetrievalAnswer> {
    return this.#assembled.use((index) => runRelated(index, request, clock));
  }

  /** The pins nearest to a text, embedded with the index's own model. */
  search(request: SearchRequest): Promise<RetrievalAnswer> {
    return this.#assembled.use((index) => runSearch(index, request, clock));
  }

  /** Pins for a person by what they saved and follow. */
  homefeed(request: HomefeedRequest): Promise<HomefeedAnswer> {
    return this.#assembled.use((index) => runHomefeed(index, request, clock));
  }

  /** For each of many persons the best fresh pins that they have not seen. */
  notifications(request: NotificationsRequest): Promise<NotificationsAnswer> {
    return this.#assembled.use((index) => runNotifications(index, request, clock));
  }

  /** Several requests at once, each answered or refused on its own. */
  batch(request: BatchRequest): Promise<BatchAnswer> {
    return this.#assembled.use((index) => runBatch(index, request, clock));
  }

  /** Recall measured now against exact search, on stored pins. */
  recall(request: RecallRequest = {}): Promise<RecallAnswer> {
    return this.#assembled.use((index) => measureRecall(index, request));
  }

  /** One pin. Rejects with unknown_pin. */
  pin(id: string, options: { readonly vector?: boolean } = {}): Promise<Pin> {
    const parts = { payload: true, attributes: true, vector: options.vector ?? false };
    return this.#assembled.use((index) => readPin(index, id, parts));
  }

  /** Ids of so many pins, up to LIMITS.recallSamplesMax, drawn by a seed. */
  sample(count: number, seed: number): Promise<string[]> {
    return this.#assembled.use((index) => index.engine.sample(count, seed));
  }

  /** Writes pins, all or none; resolves when they are on the disk and can be found. */
  upsert(request: UpsertRequest): Promise<UpsertAnswer> {
    return runUpsert(this.#assembled, request);
  }

  /** Deletes pins, all or none; resolves when it is on the disk and none of them can be found. */
  delete(request: DeleteRequest): Promise<DeleteAnswer> {
    return runDelete(this.#assembled, request);
  }

  /** Writes a generation that holds every update so far. */
  checkpoint(): Promise<GenerationDescription> {
    return writable(this.#assembled).checkpoint();
  }

  /** Every generation, oldest first. */
  generations(): Promise<GenerationDescription[]> {
    return writable(this.#assembled).generations();
  }

  /** Serves another generation from now on, with the updates after its seq. */
  publish(generation: string): Promise<GenerationDescription> {
    return writable(this.#assembled).publish(generation);
  }

  /** Waits for running searches and writes and lets go of threads, memory and files. */
  async close(): Promise<void> {
    await this.#assembled.close();
    await this.#host.close();
  }
}

/**
 * Opens the current generation of the index in a directory, `indexes/demo`.
 * Rejects with unknown_index, missing_file, corrupt_file, unsupported_version, shard_full, bad_config.
 */
export async function openIndex(indexDir: string, options: OpenIndexOptions = {}): Promise<EmbeddedIndex> {
  const workers = options.workers ?? Math.max(1, availableParallelism() - 1);
  const host = createEngineHost(options.engine ?? 'wasm', workers);
  let assembled: AssembledIndex | undefined;
  try {
    assembled = await assembleIndex(indexDir, host, options, { readOnly: options.readOnly ?? false });
    if (options.mixer !== undefined)
      assembled.setMixer(parseMixerConfig(options.mixer, assembled.current().engine.config));
    return new EmbeddedIndex(host, assembled);
  } catch (error) {
    await assembled?.close();
    await host.close();
    throw error;
  }
}
