/** A pin as it comes in and as it goes out. */

export type AttributeValue = string | number | boolean | readonly string[];
export type Attributes = Readonly<Record<string, AttributeValue>>;

/** A pin as a user hands it in: by vector or by text. */
export interface PinInput {
  readonly id: string;
  readonly vector?: readonly number[] | Float32Array;
  readonly text?: string;
  readonly attributes?: Attributes;
  readonly payload?: unknown;
}

/** A stored pin as it is shown. `vector` only when asked for; under cosine it is the unit vector. */
export interface Pin {
  readonly id: string;
  readonly seq: number;
  readonly attributes?: Attributes;
  readonly payload?: unknown;
  readonly vector?: Float32Array;
}
