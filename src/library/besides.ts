/**
 * Generations that are loaded beside the one that an index serves, for shadows: those that are wanted, and no others. They
 * follow the updates, a little behind.
 */
import type { LoadedGeneration } from '../engines/loaded-generation.ts';

/** Where generations come from, and their updates. */
export interface Origin<Extra> {
  beside(generation: string): Promise<LoadedGeneration<Extra>>;
  follow(beside: LoadedGeneration<Extra>): Promise<void>;
}

/** Hears of a generation that cannot be loaded, or can follow no more. */
export type OnProblem = (generation: string, error: unknown) => void;

export class Besides<Extra> {
  readonly #origin: Origin<Extra>;
  readonly #loaded = new Map<string, LoadedGeneration<Extra>>();
  /** Changes, one after the other. */
  #last: Promise<unknown> = Promise.resolve();
  #following: Promise<void> | undefined;

  constructor(origin: Origin<Extra>) {
    this.#origin = origin;
  }

  /** The generation, when it is loaded. */
  get(generation: string): LoadedGeneration<Extra> | undefined {
    return this.#loaded.get(generation);
  }

  /** Lets go of those that are not wanted, and loads the others. */
  keep(wanted: readonly string[], onProblem: OnProblem): Promise<void> {
    return this.#next(async () => {
      for (const generation of [...this.#loaded.keys()])
        if (!wanted.includes(generation)) await this.#letGo(generation);
      for (const generation of wanted) {
        if (this.#loaded.has(generation)) continue;
        try {
          this.#loaded.set(generation, await this.#origin.beside(generation));
        } catch (error) {
          onProblem(generation, error);
        }
      }
    });
  }

  /** Brings all of them the updates up to now, and lets go of one to which that is not possible. */
  follow(onProblem: OnProblem): Promise<void> {
    this.#following ??= this.#next(async () => {
      for (const [generation, loaded] of [...this.#loaded]) {
        try {
          await this.#origin.follow(loaded);
        } catch (error) {
          await this.#letGo(generation);
          onProblem(generation, error);
        }
      }
    }).finally(() => {
      this.#following = undefined;
    });
    return this.#following;
  }

  close(): Promise<void> {
    return this.keep([], () => {});
  }

  async #letGo(generation: string): Promise<void> {
    const loaded = this.#loaded.get(generation)!;
    this.#loaded.delete(generation);
    await loaded.close();
  }

  #next(change: () => Promise<void>): Promise<void> {
    const done = this.#last.then(change);
    this.#last = done.catch(() => {});
    return done;
  }
}
