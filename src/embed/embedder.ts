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
   * Any number of texts: they are embedded in batches, between which other calls get their turn. Rejects with
   * `closed` after close(), with `model_unavailable` when the model fails.
   */
  embed(texts: readonly string[], kind: TextKind): Promise<Float32Array[]>;
  /**
   * Waits for the batches under way, refuses the rest and lets the model go. May be called more than once. An
   * embedder with nothing to do does not keep the process alive.
   */
  close(): Promise<void>;
}
