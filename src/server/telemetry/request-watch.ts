/**
 * One request as it is answered. It is made for every request, so it holds a few numbers and allocates nothing more, but
 * where spans are wanted; what it keeps of searches is what they found anyway.
 */
import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify';
import type { EngineQuery } from '../../engines/engine.ts';
import type { Histogram } from '../../lib/histogram.ts';
import { NO_WORK, STAGE, STAGES, type Stage, type Watch, type WatchedSearch } from '../../lib/watch.ts';
import type { Clock } from '../../retrieval/open-index.ts';
import type { IndexMeter } from './index-meter.ts';

/** Searches that are kept of a request: of one that makes more, the rest is only counted. */
const SEARCHES_KEPT = 64;

/** What all watches tell. */
export interface Meters {
  readonly clock: Clock;
  /** By the number of the stage. */
  readonly stages: readonly Histogram[];
  /** Hears of searches that might be replayed. */
  readonly onSearch: ((index: string, query: EngineQuery) => void) | undefined;
  readonly onRefused: (code: string) => void;
  readonly log: FastifyBaseLogger | undefined;
  /** Hears of a request that was answered without Fastify. */
  readonly onHijacked: (request: FastifyRequest, reply: FastifyReply, status: number) => void;
}

/** A stage that has passed, in epoch milliseconds. */
export interface Passed {
  readonly stage: Stage;
  readonly fromMs: number;
  readonly toMs: number;
}

export class RequestWatch implements Watch<EngineQuery> {
  readonly #meters: Meters;
  /** When the head of the request was read, in epoch milliseconds. */
  readonly startedAtMs: number;
  /**
   * Milliseconds by stage, over all that the request asked for, which may have gone on side by side. (-0 makes it a list
   * of doubles from the beginning.)
   */
  readonly ms: number[] = [-0, -0, -0, -0, -0, -0, -0, -0, -0, -0, -0];
  /** Of the index that is asked; absent where none is. */
  index: IndexMeter | undefined;
  hasSearched = false;
  isDegraded = false;
  isEnded = false;
  searches: WatchedSearch[] | undefined;
  /** Only where spans are to be made of them. */
  passed: Passed[] | undefined;

  constructor(meters: Meters) {
    this.#meters = meters;
    this.startedAtMs = meters.clock();
  }

  now(): number {
    return this.#meters.clock();
  }

  took(stage: Stage, fromMs: number): void {
    const { clock, stages } = this.#meters;
    const toMs = clock();
    const ms = toMs - fromMs;
    this.ms[stage]! += ms;
    stages[stage]!.observe(ms / 1000);
    this.passed?.push({ stage, fromMs, toMs });
  }

  searched(query: EngineQuery, search: WatchedSearch): void {
    this.#searchedIn(this.index, query, search);
  }

  /** What hears of the same request's searches in one of several indexes. */
  of(index: IndexMeter): Watch<EngineQuery> {
    return {
      now: () => this.now(),
      took: (stage, fromMs) => this.took(stage, fromMs),
      searched: (query, search) => this.#searchedIn(index, query, search),
    };
  }

  #searchedIn(index: IndexMeter | undefined, query: EngineQuery, search: WatchedSearch): void {
    const { stages, onSearch } = this.#meters;
    const { ms } = this;
    for (const { work } of search.shards) {
      index?.count(work);
      if (work === NO_WORK) continue;
      const { queuedMs, searchMs, filterMs, rescoreMs } = work;
      ms[STAGE.queue]! += queuedMs;
      stages[STAGE.queue]!.observe(queuedMs / 1000);
      ms[STAGE.search]! += searchMs;
      stages[STAGE.search]!.observe(searchMs / 1000);
      // Both are looked at, or neither
      if (!Number.isNaN(filterMs)) {
        ms[STAGE.rescore]! += rescoreMs;
        stages[STAGE.rescore]!.observe(rescoreMs / 1000);
        if (filterMs > 0) {
          ms[STAGE.filter]! += filterMs;
          stages[STAGE.filter]!.observe(filterMs / 1000);
        }
      }
    }
    this.hasSearched = true;
    if (!search.isComplete) this.isDegraded = true;
    this.searches ??= [];
    if (this.searches.length < SEARCHES_KEPT) this.searches.push(search);
    if (index !== undefined) onSearch?.(index.name, query);
  }

  /** The request is refused with the code of a problem. */
  refused(code: string): void {
    this.#meters.onRefused(code);
  }

  /** The request is refused before its body is read, by bytes that lie ready. */
  refusedEarly(request: FastifyRequest, reply: FastifyReply, status: number, code: string): void {
    this.refused(code);
    this.#meters.onHijacked(request, reply, status);
  }

  /** The request meets a fault of the program: it is logged with its stack. */
  fault(requestId: string, err: unknown): void {
    this.#meters.log?.error({ requestId, err }, 'a request met a fault');
  }

  /** Milliseconds of the stages that there were, by name. */
  stageMs(): Record<string, number> {
    const stages = STAGES.map((name, stage) => [name, Math.round(this.ms[stage]! * 1000) / 1000] as const);
    return Object.fromEntries(stages.filter(([, ms]) => ms > 0));
  }

  /** The same for the header Server-Timing (w3.org/TR/server-timing), with the time so far. */
  serverTiming(): string {
    const total = Math.round((this.now() - this.startedAtMs) * 1000) / 1000;
    return Object.entries({ ...this.stageMs(), total })
      .map(([name, ms]) => `${name};dur=${ms}`)
      .join(', ');
  }
}
