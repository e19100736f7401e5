/** Generations that are loaded beside the one that an index serves, for shadows: those that are wanted, and no others. */
import type { LoadedGeneration } from '../engines/loaded-generation.ts';

export class Besides<Extra> {
  readonly #load: (generation: string) => Promise<LoadedGeneration<Extra>>;
  readonly #loaded = new Map<string, LoadedGeneration<Extra>>();
  /** Changes, one after the other. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(load: (generation: string) => Promise<LoadedGeneration<Extra>>) {
    this.#load = load;
  }

  /** The generation, when it is loaded. */
  get(generation: string): LoadedGeneration<Extra> | undefined {
    return this.#loaded.get(generation);
  }

  /** Lets go of those that are not wanted, and loads the others. `onProblem` hears of each that cannot be loaded. */
  keep(wanted: readonly string[], onProblem: (generation: string, error: unknown) => void): Promise<void> {
    const done = this.#last.then(async () => {
      for (const [generation, loaded] of this.#loaded) {
        if (wanted.includes(generation)) continue;
        this.#loaded.delete(generation);
        await loaded.close();
      }
      for (const generation of wanted) {
        if (this.#loaded.has(generation)) continue;
        try {
          this.#loaded.set(generation, await this.#load(generation));
        } catch (error) {
          onProblem(generation, error);
        }
      }
    });
    this.#last = done.catch(() => {});
    return done;
  }

  close(): Promise<void> {
    return this.keep([], () => {});
  }
}
