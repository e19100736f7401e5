/** Requests and answers of retrieval: the same shapes over HTTP, in the client and in the embedded library. */
import type { Coverage, LiveDescription, ShardPlan } from '../engines/engine.ts';
import type { IndexConfig } from '../index/config.ts';
import type { Filter } from '../index/filter.ts';
import type { Attributes, PinWriteInput } from '../index/pin.ts';
import type { Assigned } from './experiments/assign.ts';
import type { Boost, SurfaceConfig, SurfaceName, SurfaceOverride } from './surfaces/surface.ts';

export type {
  DeleteAnswer,
  GenerationDescription,
  LiveDescription,
  UpsertAnswer,
} from '../engines/engine.ts';
export type { Assigned } from './experiments/assign.ts';
export type { Boost, SourceEntry, SurfaceConfig, SurfaceName, SurfaceOverride } from './surfaces/surface.ts';

export type Vector = readonly number[] | Float32Array;
/** An integer stands for its decimal string. */
export type PinIdInput = string | number;
export type Include = 'payload' | 'attributes' | 'vector';

/** What every request may say; ranges are in `src/lib/limits.ts`. */
export interface CommonRequest {
  /** Hits wanted; 10 when absent. */
  readonly k?: number;
  /** Width of the search; raised to what k needs. The index has its own default. */
  readonly ef?: number;
  readonly filter?: Filter;
  /** Compare with every matching pin instead of searching the graph. */
  readonly exact?: boolean;
  /** Only hits with at least this score. */
  readonly minScore?: number;
  /** Milliseconds after which a partial answer is better than a later one. */
  readonly deadlineMs?: number;
  readonly include?: readonly Include[];
  /** Pin ids that must not be among the hits. */
  readonly exclude?: readonly PinIdInput[];
  /** Tell in the answer how each shard was searched, and of surfaces how each hit was ranked. */
  readonly explain?: boolean;
}

/** Exactly one of `vector` and `vectors`. */
export interface QueryRequest extends CommonRequest {
  readonly vector?: Vector;
  /** Several queries at once; each has its own answer in `results`. */
  readonly vectors?: readonly Vector[];
  /** `name@revision` that made the vector; refused when the index was made by another. */
  readonly model?: string;
}

export interface SeedPin {
  readonly id: PinIdInput;
  /** Over 0; 1 when absent. */
  readonly weight?: number;
}

/** What a request may change of its surface; null takes away what the surface has. */
export interface SurfaceRequest extends CommonRequest {
  /** Id of the user or session that experiments draw by; without one none reaches the request. */
  readonly unit?: string;
  /** Arms by experiment, in place of what is drawn: for trying them out. */
  readonly variants?: Readonly<Record<string, string>>;
  readonly diversity?: SurfaceConfig['diversity'];
  readonly groupBy?: SurfaceConfig['groupBy'];
  readonly nearDuplicates?: SurfaceConfig['nearDuplicates'];
  readonly maxAge?: SurfaceConfig['maxAge'];
  /** In place of the surface's. */
  readonly boosts?: readonly Boost[];
  /** Quotas and parameters of the surface's sources, other sources, or null for none of that name. */
  readonly sources?: SurfaceOverride['sources'];
}

export interface RelatedRequest extends SurfaceRequest {
  readonly pins: readonly (PinIdInput | SeedPin)[];
  /** Pins to move away from. */
  readonly negatives?: readonly (PinIdInput | SeedPin)[];
}

/** A pin that a person saved. */
export interface SavedPin {
  readonly id: PinIdInput;
  /** Over 0; 1 when absent. */
  readonly weight?: number;
  /** When: epoch milliseconds or ISO 8601. What is old counts less. */
  readonly at?: number | string;
}

/** Something that a person follows; exactly one of `vector`, `text` and `pin`. */
export interface FollowedTopic {
  /** Its hits tell it in `source`; its place in the list when absent. */
  readonly name?: string;
  readonly vector?: Vector;
  readonly text?: string;
  readonly pin?: PinIdInput;
  readonly filter?: Filter;
  /** Over 0; 1 when absent. */
  readonly weight?: number;
}

export interface PersonRequest {
  /** Pins that were saved; those that the index does not have are skipped. */
  readonly history: readonly (PinIdInput | SavedPin)[];
  /** Pins that must not be hits, as ids or as a Bloom filter of them (`src/retrieval/seen.ts`): bits in base64, or in msgpack and in this process as bytes, a multiple of 4. */
  readonly seen?:
    | readonly PinIdInput[]
    | { readonly bloom: { readonly bits: Uint8Array | string; readonly hashes: number } };
  readonly topics?: readonly FollowedTopic[];
}

export interface HomefeedRequest extends SurfaceRequest, PersonRequest {
  /** Draws the interests that are asked for, where there are more; it follows from the unit when absent. */
  readonly seed?: number;
}

export interface HomefeedAnswer extends RetrievalAnswer {
  /** Pins of the history and of topics that the index does not have. */
  readonly skipped: number;
}

export interface NotificationsRequest extends SurfaceRequest {
  readonly users: readonly (PersonRequest & {
    readonly user: string;
    /** Hits at most; `k` when absent. */
    readonly max?: number;
  })[];
  /** As of Homefeed. */
  readonly seed?: number;
}

/** One user's hits, or what their part of the request says wrong. */
export type NotifiedUser =
  | ({ readonly user: string } & HomefeedAnswer)
  | { readonly user: string | null; readonly problem: Problem };

/** One entry per user, in order. */
export interface NotificationsAnswer {
  readonly users: readonly NotifiedUser[];
}

/** Exactly one of `text` and `vector`. */
export interface SearchRequest extends SurfaceRequest {
  readonly text?: string;
  readonly vector?: Vector;
  /**
   * How pins are found for a text: by its vector (dense), by its words (lexical), or by both (hybrid); as the surface says when
   * absent, dense where nobody says otherwise.
   */
  readonly mode?: 'dense' | 'lexical' | 'hybrid';
  /** How hybrid puts both together; what is absent is as the surface says. */
  readonly fusion?: {
    /** By weighted scores, or by weights over ranks. */
    readonly method?: 'scores' | 'ranks';
    readonly weights?: { readonly dense?: number; readonly lexical?: number };
    readonly rankConstant?: number;
  };
  readonly model?: string;
}

/** Pins with a vector or a text are written whole; without, attributes or payload of a pin that is there are changed. */
export interface UpsertRequest {
  readonly pins: readonly (Omit<PinWriteInput, 'id'> & { readonly id: PinIdInput })[];
  /** `name@revision` that made the vectors; refused when the index was made by another. */
  readonly model?: string;
}

export interface DeleteRequest {
  readonly ids: readonly (PinIdInput | { readonly id: PinIdInput; readonly ifSeq?: number })[];
}

export interface RecallRequest {
  /** Stored pins to query with; 100 when absent. */
  readonly samples?: number;
  readonly k?: number;
  readonly ef?: number;
  /** Draws the sample; 1 when absent. */
  readonly seed?: number;
}

export type BatchItem =
  | ({ readonly op: 'query' } & QueryRequest)
  | ({ readonly op: 'related' } & RelatedRequest)
  | ({ readonly op: 'search' } & SearchRequest)
  | ({ readonly op: 'homefeed' } & HomefeedRequest);

export interface BatchRequest {
  readonly requests: readonly BatchItem[];
}

export interface Hit {
  readonly id: string;
  /** Larger is better: cosine similarity, dot product, or minus squared L2. */
  readonly score: number;
  /** Of surfaces: the source that proposed it, by its name in the surface's config. */
  readonly source?: string;
  /** Of interleaved answers: the arm that added it, which gets the click; absent where it had no rival. */
  readonly team?: string;
  readonly explain?: HitExplanation;
  readonly payload?: unknown;
  readonly attributes?: Attributes;
  readonly vector?: Vector;
}

/** How a surface came to rank a hit, where that was asked. */
export interface HitExplanation {
  /** Place among the candidates of its source, from 1. */
  readonly rank: number;
  /** Score that the source gave it, before boosts. */
  readonly sourceScore: number;
  /** Factor of each boost of the surface, in their order; 1 for one that does not apply. */
  readonly boosts: readonly number[];
}

export interface RetrievalAnswer {
  /** Score descending, ties by id; under `diversity`, and of several sources, in the order of selection. */
  readonly hits: readonly Hit[];
  readonly tookMs: number;
  /** Width actually searched with; 0 for an exact scan. */
  readonly ef: number;
  readonly generation: string;
  readonly model: string | null;
  readonly coverage: Coverage;
  /** Fewer than k pins match, and all of them are in `hits`. */
  readonly exhausted: boolean;
  /** How each shard was searched, in their order, where that was asked. */
  readonly explain?: readonly ShardPlan[];
  /** Experiments whose code path ran for the unit; absent when there was none. */
  readonly experiments?: readonly Assigned[];
}

/** The answer to a query with `vectors`: one answer per vector, in order. */
export interface MultiAnswer {
  readonly results: readonly RetrievalAnswer[];
}

export interface RecallAnswer {
  /** Share of the exact top k that the search found; 1 when there was nothing to find. */
  readonly recall: number;
  /** 95 % confidence interval of the recall over the index's own pins as queries. */
  readonly low: number;
  readonly high: number;
  /** Queries made: fewer than asked for when the index holds fewer pins. */
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

/** One answer per request, in order; a problem has `code`, an answer never has. */
export interface BatchAnswer {
  readonly answers: readonly (RetrievalAnswer | MultiAnswer | Problem)[];
}

export interface IndexDescription {
  readonly name: string;
  readonly status: 'ready';
  readonly engine: string;
  readonly generation: string;
  readonly seq: number;
  readonly model: string | null;
  readonly count: number;
  readonly shards: readonly { readonly count: number; readonly bytes: number }[];
  readonly bytes: number;
  readonly defaultEf: number;
  readonly config: IndexConfig;
  /** How writing stands; absent when the index takes no writes. */
  readonly live?: LiveDescription;
  /** Absent when the index has no mixer config. */
  readonly mixer?: MixerDescription;
  /** What live queries find of their true neighbours; of one index, where a server replays a share of them. */
  readonly recall?: readonly LiveRecall[];
}

/** What live searches of an index have found, of about one width, with a filter or without. */
export interface LiveRecall {
  /** The greatest width of the group. */
  readonly ef: number;
  readonly filtered: boolean;
  readonly recall: number;
  /** 95 % confidence interval. */
  readonly low: number;
  readonly high: number;
  /** Searches that it is made of, the latest. */
  readonly samples: number;
}

/** The mixer config that is in force. */
export interface MixerDescription {
  readonly experiments: readonly string[];
  readonly shadows: readonly string[];
  /** Why a newer one is not. */
  readonly problem?: { readonly code: string; readonly message: string };
}

/** The surfaces of an index as they are in force. */
export interface SurfaceList {
  readonly surfaces: Readonly<Record<SurfaceName, SurfaceConfig>>;
}

/** An index that is known but does not answer, with the reason. */
export interface UnavailableIndex {
  readonly name: string;
  readonly status: 'loading' | 'failed';
  readonly problem: Problem;
}

export interface IndexList {
  readonly indexes: readonly (IndexDescription | UnavailableIndex)[];
}
