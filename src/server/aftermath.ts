/**
 * What happens around answers for the sake of experiments: exposures are recorded, and shadows asked once the answer has
 * gone out, when that leaves a search thread to the next request, or when no request has come for a while.
 */
import type {
  Assigned,
  BatchAnswer,
  BatchRequest,
  NotificationsAnswer,
  RetrievalAnswer,
} from '../retrieval/contract.ts';
import { type ExposureLog, loggedAnswer } from '../retrieval/experiments/exposure.ts';
import { type Shadow, ShadowRunner, takes } from '../retrieval/experiments/shadow.ts';
import type { Clock, OpenIndex, ServedIndex } from '../retrieval/open-index.ts';
import type { Catalog } from './catalog.ts';

/** Deadline of a shadow whose request has none. */
const SHADOW_DEADLINE_MS = 1000;

/** Time without requests after which a shadow may have the only thread. */
const QUIET_MS = 25;
/** Beside requests, which share the event loop with them, shadows take at most one part of time in so many. */
const SHADOW_TIME_PARTS = 10;

/** A request of retrieval with its answer. */
export interface Exchange {
  readonly requestId: string;
  /** `query`, `batch`, or a surface. */
  readonly surface: string;
  readonly index: OpenIndex;
  readonly request: object;
  readonly answer: object;
  /** Asks another index the same. */
  readonly run: (index: OpenIndex, request: object) => Promise<object>;
  /** Calls back once the answer has gone out. */
  readonly afterwards: (then: () => void) => void;
}

export interface AftermathOptions {
  readonly catalog: Catalog;
  readonly clock: Clock;
  /** Where exposures go; nowhere when absent. */
  readonly exposures?: ExposureLog | undefined;
  /** Searches that run at once without waiting for each other; 1 when absent. */
  readonly threads?: number | undefined;
}

export class Aftermath {
  readonly #catalog: Catalog;
  readonly #clock: Clock;
  readonly exposures: ExposureLog | undefined;
  readonly shadows: ShadowRunner;
  readonly #threads: number;
  /** Requests under way. */
  #active = 0;
  #endedAtMs = 0;
  /** Until then no shadow runs beside requests. */
  #restsUntilMs = 0;
  #quiet: NodeJS.Timeout | undefined;

  constructor({ catalog, clock, exposures, threads = 1 }: AftermathOptions) {
    this.#catalog = catalog;
    this.#clock = clock;
    this.exposures = exposures;
    this.#threads = threads;
    const report = (record: Parameters<ExposureLog['record']>[0]) => exposures?.record(record);
    this.shadows = new ShadowRunner(() => !this.#hasRoom() && !this.#isQuiet(), report);
  }

  /** Whether a shadow would leave a thread free, and the last one is long enough ago. */
  #hasRoom(): boolean {
    return this.#active + 1 < this.#threads && this.#clock() >= this.#restsUntilMs;
  }

  #isQuiet(): boolean {
    return this.#active === 0 && this.#clock() - this.#endedAtMs >= QUIET_MS;
  }

  /** Lets shadows that wait start when they may, and not before the answer of now is written. */
  #wakeLater(): void {
    if (!this.shadows.isWaiting) return;
    if (this.#hasRoom()) setImmediate(() => this.shadows.wake());
    this.#quiet ??= setTimeout(() => {
      this.#quiet = undefined;
      this.shadows.wake();
      this.#wakeLater();
    }, QUIET_MS).unref();
  }

  close(): Promise<void> {
    clearTimeout(this.#quiet);
    return this.shadows.close();
  }

  /** A request comes in. */
  began(): void {
    this.#active++;
  }

  /** It was answered, or refused. */
  ended(): void {
    this.#active--;
    this.#endedAtMs = this.#clock();
    this.#wakeLater();
  }

  /** Records what the answer says of experiments, and sees to the shadows of its index. */
  follow(exchange: Exchange): void {
    const { requestId, surface, index, request, answer } = exchange;
    if (this.exposures) this.#expose(requestId, surface, index.name, request, answer);
    const shadows = index.mixer?.shadows;
    if (shadows === undefined || shadows.length === 0 || !('hits' in answer)) return;
    const wanted = shadows.filter((shadow) => takes(shadow, surface, requestId));
    if (wanted.length > 0)
      exchange.afterwards(() => {
        for (const shadow of wanted) this.#shadow(shadow, exchange);
        this.#wakeLater();
      });
  }

  #expose(requestId: string, surface: string, index: string, request: object, answer: object): void {
    if ('answers' in answer) {
      const { requests } = request as BatchRequest;
      for (const [i, each] of (answer as BatchAnswer).answers.entries())
        this.#expose(`${requestId}/${i}`, requests[i]!.op, index, requests[i]!, each);
      return;
    }
    if ('users' in answer) {
      const { users } = answer as NotificationsAnswer;
      // Who is named twice is one unit
      for (const [unit, each] of new Map(users.map((each) => [each.user, each])))
        this.#expose(requestId, surface, index, { unit }, each);
      return;
    }
    const { experiments } = answer as { experiments?: readonly Assigned[] };
    if (experiments === undefined) return;
    const at = Math.floor(this.#clock());
    const { unit } = request as { unit?: string };
    const logged = loggedAnswer(index, answer as RetrievalAnswer);
    for (const assigned of experiments)
      this.exposures!.record({
        kind: 'exposure',
        at,
        requestId,
        surface,
        ...(unit !== undefined && { unit }),
        ...assigned,
        ...logged,
      });
  }

  #shadow(shadow: Shadow, { requestId, surface, index, request, answer, run }: Exchange): void {
    const { unit, variants, ...rest } = request as { unit?: string; variants?: object; deadlineMs?: number };
    const answered = {
      requestId,
      surface,
      at: Math.floor(this.#clock()),
      answer: loggedAnswer(index.name, answer as RetrievalAnswer),
      ...(unit !== undefined && { unit }),
    };
    this.shadows.offer(shadow.name, answered, async () => {
      const target = this.#targetOf(index.name, shadow);
      // Another index has other experiments; another generation has the same
      const same = shadow.generation === undefined ? rest : request;
      const asked = { deadlineMs: SHADOW_DEADLINE_MS, ...same };
      const startedAtMs = this.#clock();
      try {
        const found = await target.use((other) => run(other, asked));
        return loggedAnswer(target.name, found as RetrievalAnswer);
      } finally {
        const nowMs = this.#clock();
        this.#restsUntilMs = nowMs + (SHADOW_TIME_PARTS - 1) * (nowMs - startedAtMs);
      }
    });
  }

  #targetOf(index: string, { index: other, generation }: Shadow): ServedIndex {
    const entry = this.#catalog.get(other ?? index);
    const served = entry?.status === 'ready' ? entry.index : undefined;
    const target = generation === undefined ? served : served?.beside?.(generation);
    if (target === undefined) throw new Error('the shadow has nowhere to go');
    return target;
  }
}
