/** Text to vector: the one interface that every kind of model stands behind. */

/** Whether the text is looked for or looked at; some models prefix the two differently. */
export type TextKind = 'query' | 'document';

export interface Embedder {
  /** `name@revision`: what the manifest records and what a query is held against. */
  readonly model: string;
  readonly dim: number;
  /**
   * One vector, f32[dim], per text, in order. Unit length unless the model was opened without normalising; an
   * empty or unknown text gives the zero vector, which cosine refuses later with the text's own path.
   */
  embed(texts: readonly string[], kind: TextKind): Promise<Float32Array[]>;
  close(): Promise<void>;
}
