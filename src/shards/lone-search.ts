/**
 * A search that comes alone, while no thread searches, is run in the thread that asks: to wake another one and be woken
 * by it takes as long as the search (docs/decisions/0009-service.md). Only where searches are quick, and not for longer
 * than a moment, since whoever else asks waits meanwhile; one that is not done then begins anew in a search thread.
 */
import type { WasmMemory, WasmModule } from '../core/webassembly.ts';
import { setDeadline } from './packing.ts';
import { monotonicMs } from './protocol.ts';
import { SearchClock } from './search-clock.ts';
import { type MakeSearcher, type TaskAnswers, TaskRunner } from './task-runner.ts';

/** Of a search that is run here. */
const MOMENT_MS = 1;
/** What the last searches may have taken, so that the next is likely to be done in a moment. */
const QUICK_MS = MOMENT_MS / 2;

export interface LoneSearchOptions {
  readonly module: WasmModule;
  /** A scratch slot that no other thread has. */
  readonly slot: number;
  readonly makeSearcher: MakeSearcher;
  /** Of WorkerStart. */
  readonly clockOffsetMs: number;
  readonly searchNs: BigInt64Array;
}

export class LoneSearch {
  readonly #runner: TaskRunner;
  readonly #clock: SearchClock;
  readonly #clockOffsetMs: number;

  constructor({ module, slot, makeSearcher, clockOffsetMs, searchNs }: LoneSearchOptions) {
    this.#clock = new SearchClock(searchNs);
    this.#clockOffsetMs = clockOffsetMs;
    this.#runner = new TaskRunner({ module, slot, clockOffsetMs, clock: this.#clock, makeSearcher });
  }

  attach(set: string, memories: readonly WasmMemory[]): void {
    this.#runner.attach(set, memories);
  }

  forget(set: string): void {
    this.#runner.forget(set);
  }

  /**
   * @param queries one of a `QueryQueue`
   * @param deadlineAtMs the query's
   * @param lastMs what a search took lately
   * @returns undefined, and the queries as they were, when a thread is to search
   */
  run(set: string, queries: ArrayBuffer, deadlineAtMs: number, lastMs: number): TaskAnswers | undefined {
    if (lastMs > QUICK_MS) return undefined;
    const endMs = this.#nowMs() + MOMENT_MS;
    setDeadline(queries, Math.min(deadlineAtMs, endMs));
    const answers = this.#runner.run(set, queries);
    if (this.#nowMs() < endMs) return answers;
    // It may be whole all the same, but hits that tie may not have been chosen among all of them
    setDeadline(queries, deadlineAtMs);
    return undefined;
  }

  /** Epoch milliseconds. */
  #nowMs(): number {
    return monotonicMs() + this.#clockOffsetMs;
  }

  close(): void {
    this.#clock.close();
  }
}
