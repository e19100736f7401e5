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
import { createEngineHost, type EngineHost } from '../engines/open-engine.ts';
import type { Pin } from '../index/pin.ts';
import { runBatch } from '../retrieval/batch.ts';
import type {
  BatchAnswer,
  BatchRequest,
  IndexDescription,
  MultiAnswer,
  QueryRequest,
  RecallAnswer,
  RecallRequest,
  RelatedRequest,
  RetrievalAnswer,
  SearchRequest,
  Vector,
} from '../retrieval/contract.ts';
import { describeIndex } from '../retrieval/describe.ts';
import { readPin } from '../retrieval/pins.ts';
import { runQuery } from '../retrieval/query.ts';
import { measureRecall } from '../retrieval/recall.ts';
import { runRelated } from '../retrieval/related.ts';
import { runSearch } from '../retrieval/search.ts';
import { type AssembledIndex, assembleIndex } from './assemble.ts';

export type { Filter } from '../index/filter.ts';
export type { Pin } from '../index/pin.ts';
export { ERRORS, type ErrorCode, NearpinError } from '../lib/errors.ts';
export type * from '../retrieval/contract.ts';

export interface OpenIndexOptions extends ModelSource {
  /** Search threads; cores - 1, at least 1, when absent. */
  readonly workers?: number;
  /** What searches; `wasm` when absent. */
  readonly engine?: EngineName;
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
    return describeIndex(this.#assembled.index);
  }

  /** The pins nearest to a vector, or to each of several. */
  query(request: QueryRequest & { readonly vectors: readonly Vector[] }): Promise<MultiAnswer>;
  query(request: QueryRequest): Promise<RetrievalAnswer>;
  query(request: QueryRequest): Promise<RetrievalAnswer | MultiAnswer> {
    return runQuery(this.#assembled.index, request, clock);
  }

  /** The pins related to some pins; none of those. */
  related(request: RelatedRequest): Promise<RetrievalAnswer> {
    return runRelated(this.#assembled.index, request, clock);
  }

  /** The pins nearest to a text, embedded with the index's own model. */
  search(request: SearchRequest): Promise<RetrievalAnswer> {
    return runSearch(this.#assembled.index, request, clock);
  }

  /** Several requests at once, each answered or refused on its own. */
  batch(request: BatchRequest): Promise<BatchAnswer> {
    return runBatch(this.#assembled.index, request, clock);
  }

  /** Recall measured now against exact search, on stored pins. */
  recall(request: RecallRequest = {}): Promise<RecallAnswer> {
    return measureRecall(this.#assembled.index, request);
  }

  /** One pin. Rejects with unknown_pin. */
  pin(id: string, options: { readonly vector?: boolean } = {}): Promise<Pin> {
    return readPin(this.#assembled.index, id, options.vector ?? false);
  }

  /** Waits for running searches and lets go of threads, memory and files. */
  async close(): Promise<void> {
    await this.#assembled.close();
    await this.#host.pool.close();
  }
}

/**
 * Opens the current generation of the index in a directory, `indexes/demo`.
 * Rejects with unknown_index, missing_file, corrupt_file, unsupported_version, shard_full.
 */
export async function openIndex(indexDir: string, options: OpenIndexOptions = {}): Promise<EmbeddedIndex> {
  const workers = options.workers ?? Math.max(1, availableParallelism() - 1);
  const host = createEngineHost(options.engine ?? 'wasm', workers);
  try {
    return new EmbeddedIndex(host, await assembleIndex(indexDir, host, options));
  } catch (error) {
    await host.pool.close();
    throw error;
  }
}
