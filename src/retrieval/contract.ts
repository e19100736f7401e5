/** Requests and answers of retrieval: the same shapes over HTTP, in the client and in the embedded library. */
import type { Coverage } from '../engines/engine.ts';
import type { Filter } from '../index/filter.ts';
import type { Attributes } from '../index/pin.ts';

export type Vector = readonly number[] | Float32Array;
export type Include = 'payload' | 'attributes' | 'vector';

interface Common {
  readonly k?: number;
  readonly ef?: number;
  readonly filter?: Filter;
  readonly exact?: boolean;
  readonly minScore?: number;
  readonly deadlineMs?: number;
  readonly include?: readonly Include[];
  /** Pin ids that must not be among the hits. */
  readonly exclude?: readonly string[];
}

export interface QueryRequest extends Common {
  readonly vector?: Vector;
  /** Several queries at once; each has its own list of hits in `results`. */
  readonly vectors?: readonly Vector[];
  /** `name@revision` that made the vector; refused when the index was made by another. */
  readonly model?: string;
}

export interface SeedPin {
  readonly id: string;
  readonly weight?: number;
}

export interface RelatedRequest extends Common {
  readonly pins: readonly (string | SeedPin)[];
  /** Pins to move away from. */
  readonly negatives?: readonly (string | SeedPin)[];
  /** Maximal marginal relevance (Carbonell and Goldstein, 1998); lambda 1 is pure relevance. */
  readonly diversity?: { readonly lambda: number };
  /** At most `size` hits that share a value of this attribute. */
  readonly groupBy?: { readonly field: string; readonly size: number };
}

export interface SearchRequest extends Common {
  readonly text?: string;
  readonly vector?: Vector;
  readonly mode?: 'dense';
  readonly model?: string;
}

export interface RecallRequest {
  readonly samples?: number;
  readonly k?: number;
  readonly ef?: number;
  readonly seed?: number;
}

export type BatchItem =
  | ({ readonly op: 'query' } & QueryRequest)
  | ({ readonly op: 'related' } & RelatedRequest)
  | ({ readonly op: 'search' } & SearchRequest);

export interface BatchRequest {
  readonly requests: readonly BatchItem[];
}

export interface Hit {
  readonly id: string;
  readonly score: number;
  readonly payload?: unknown;
  readonly attributes?: Attributes;
  readonly vector?: Vector;
}

export interface RetrievalAnswer {
  readonly hits: readonly Hit[];
  readonly tookMs: number;
  readonly ef: number;
  readonly generation: string;
  readonly model: string | null;
  readonly coverage: Coverage;
  readonly exhausted: boolean;
}

/** The answer to a query with `vectors`: one answer per vector, in order. */
export interface MultiAnswer {
  readonly results: readonly RetrievalAnswer[];
}

export interface RecallAnswer {
  readonly recall: number;
  /** 95 % confidence interval of the mean over the sampled queries. */
  readonly low: number;
  readonly high: number;
  readonly samples: number;
  readonly k: number;
  readonly ef: number;
  readonly generation: string;
}

/** RFC 9457 problem details, with nearpin's stable code. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly errors?: readonly { readonly path: string; readonly message: string }[];
}

export interface BatchAnswer {
  readonly answers: readonly (RetrievalAnswer | MultiAnswer | Problem)[];
}

export interface IndexDescription {
  readonly name: string;
  readonly engine: string;
  readonly generation: string;
  readonly seq: number;
  readonly model: string | null;
  readonly count: number;
  readonly shards: readonly { readonly count: number; readonly bytes: number }[];
  readonly bytes: number;
  readonly defaultEf: number;
  readonly config: unknown;
}
