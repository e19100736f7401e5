/** What an index is: its config as a user writes it, and the same with every default filled in. */

/** How two vectors are compared. */
export type Metric = 'cosine' | 'dot' | 'l2';

/** Type of an attribute, as declared in the index config. */
export type AttributeType = 'keyword' | 'keyword[]' | 'number' | 'bool' | 'time';

export type AttributeTypes = Readonly<Record<string, AttributeType>>;

/**
 * How vectors are held: the code that the graph is traversed by, and, after the plus, the finer level that the
 * candidates are rescored with. Without a plus the code itself is the finest level.
 */
export type Precision = 'f32' | 'i8' | 'i8+f32';

/** What a user declares; only `dim` and `metric` are needed. */
export interface IndexConfigInput {
  readonly dim: number;
  readonly metric: Metric;
  readonly shards?: number;
  readonly attributes?: AttributeTypes;
  /** `name@revision` of the model whose vectors the index holds. */
  readonly model?: string;
  readonly m?: number;
  readonly efConstruction?: number;
  readonly precision?: Precision;
  readonly seed?: number;
}

/** The config with its defaults, as the manifest states it. */
export interface IndexConfig {
  readonly dim: number;
  readonly metric: Metric;
  readonly shards: number;
  readonly attributes: AttributeTypes;
  readonly model: string | null;
  readonly m: number;
  readonly efConstruction: number;
  readonly precision: Precision;
  readonly seed: number;
}
