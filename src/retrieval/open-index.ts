/** The port through which retrieval reaches an index: its engine, and the model that turns text into its vectors. */
import type { Engine, EngineQuery, LiveEngine } from '../engines/engine.ts';
import type { NearpinError } from '../lib/errors.ts';
import type { Watch } from '../lib/watch.ts';
import type { MixerConfig } from './mixer-config.ts';

/** Epoch milliseconds, with a fraction where the platform has one: deadlines and `tookMs` are read from it. */
export type Clock = () => number;

/** Embeds texts with exactly the index's model: one f32[dim] per text, in order. */
export type Embed = (texts: readonly string[], kind: 'query' | 'document') => Promise<Float32Array[]>;

/** Who waits for an answer, as far as that decides on its searches. */
export interface Caller {
  /** Epoch milliseconds: what a request says of its deadline counts from here. */
  readonly arrivedAtMs: number;
  /** When the caller stops waiting, in epoch milliseconds; Infinity for never. */
  readonly deadlineAtMs: number;
  /** Whether the caller has stopped already. */
  isGone(): boolean;
}

/** One generation of an index, which is what a request is answered from, whole. */
export interface OpenIndex {
  readonly name: string;
  readonly engine: Engine;
  /** `name@revision` that made the vectors; null when they came without a name. */
  readonly model: string | null;
  /** Absent when the index has no model or the model is not loaded. */
  readonly embed?: Embed | undefined;
  /** What the index says of surfaces, experiments on them and shadows; checked when it was read. */
  readonly mixer?: MixerConfig | undefined;
  /** Hears which sources of a surface had something to look for. */
  readonly onSource?: ((name: string) => void) | undefined;
  /** Whose request it is; absent where nobody but the program waits. */
  readonly caller?: Caller | undefined;
  /** Hears what answering the request takes. */
  readonly watch?: Watch<EngineQuery> | undefined;
}

/** The index as a caller asks it. Written out for the sake of one shape, as in `queryFor`. */
export function askedBy(
  caller: Caller,
  watch: Watch<EngineQuery>,
  { name, engine, model, embed, mixer, onSource }: OpenIndex,
): OpenIndex {
  return { name, engine, model, embed, mixer, onSource, caller, watch };
}

/** An index across its generations. */
export interface ServedIndex {
  readonly name: string;
  /** Runs something with the generation that is served now, and keeps that one open until it has ended. */
  use<Result>(run: (index: OpenIndex) => Promise<Result>): Promise<Result>;
  /** The generation that is served now. */
  current(): OpenIndex;
  /** Absent when the index takes no writes. */
  readonly live?: LiveEngine;
  /** Why the newest mixer config is not in force, when it is not. */
  mixerProblem?(): NearpinError | undefined;
  /** Another generation of the index, when it is loaded for shadows. */
  beside?(generation: string): ServedIndex | undefined;
}
