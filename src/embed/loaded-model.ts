/** A model as it is loaded inside the embedding process. */

export type Pooling = 'mean' | 'cls';

/** What to load and how to use it; crosses into the process. */
export interface ModelLoad {
  readonly kind: 'static' | 'transformers';
  /** Absolute path of the model's folder. */
  readonly folder: string;
  /** How the vectors of a text's tokens become one; a static model always takes the mean. */
  readonly pooling: Pooling;
  readonly normalize: boolean;
}

export interface LoadedModel {
  readonly dim: number;
  /** The vectors of one text or more, one after the other, f32[texts x dim]; zero for a text without known tokens. */
  embed(texts: readonly string[]): Promise<Float32Array>;
  dispose(): Promise<void>;
}
