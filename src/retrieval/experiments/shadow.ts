/**
 * Shadows: a share of the requests is asked once more of another index or generation when the answer has gone out, to
 * see how far the two agree and how long the other one takes. Shadows wait while the engine has real requests to answer,
 * few run at once, and what finds the queue full is dropped: they may be late, or lost, but no answer is.
 */
import { checkRecord, fieldPath } from '../../index/shape.ts';
import { errorAt } from '../../lib/errors.ts';
import { LIMITS } from '../../lib/limits.ts';
import { checkEntries, checkName, refuseRepeated } from './config.ts';
import type { LoggedAnswer, ShadowRecord } from './exposure.ts';
import { BUCKETS, bucketOf } from './hash.ts';

/** Where a share of an index's requests goes a second time: to another index, or to a generation of the same. */
export interface Shadow {
  readonly name: string;
  /** Requests are drawn by the bucket of their id below this. */
  readonly end: number;
  /** Kinds of requests that it takes. */
  readonly surfaces: readonly string[];
  readonly index?: string;
  readonly generation?: string;
}

/** A request that was answered. */
export interface Answered {
  readonly requestId: string;
  readonly surface: string;
  readonly unit?: string;
  /** Epoch milliseconds. */
  readonly at: number;
  readonly answer: LoggedAnswer;
}

export interface ShadowCounts {
  readonly index: string;
  readonly name: string;
  readonly compared: number;
  /** The other side refused or failed; its errors reach nobody else. */
  readonly failed: number;
  readonly dropped: number;
  /** Sums over what was compared. */
  readonly overlap: number;
  readonly tookMs: number;
  readonly shadowTookMs: number;
}

const IN_FLIGHT_MAX = 1;
export const SHADOWS_WAITING_MAX = 64;

/**
 * Checks the `shadows` of a mixer config.
 * @throws NearpinError bad_config with the path of the first value that is wrong
 */
export function parseShadows(input: unknown, path: string, surfaces: readonly string[]): Shadow[] {
  const shadows = checkEntries(input, path, LIMITS.experimentsMax, (entry, at): Shadow => {
    const known = ['name', 'share', 'surfaces', 'index', 'generation'];
    const fields = checkRecord(entry, known, at, 'bad_config');
    const { share, index, generation } = fields;
    if (typeof share !== 'number' || !(share > 0 && share <= 1))
      throw errorAt('bad_config', fieldPath(at, 'share'), 'must be a number over 0 and up to 1');
    if ((index === undefined) === (generation === undefined))
      throw errorAt('bad_config', at, 'must name either an index or a generation');
    for (const [field, value] of Object.entries({ index, generation }))
      if (value !== undefined && (typeof value !== 'string' || value === ''))
        throw errorAt('bad_config', fieldPath(at, field), 'must be a name');
    return {
      name: checkName(fields, at, 'name'),
      end: Math.max(1, Math.round(share * BUCKETS)),
      surfaces: checkEntries(
        fields.surfaces ?? surfaces,
        fieldPath(at, 'surfaces'),
        surfaces.length,
        (surface, where) => {
          if (typeof surface === 'string' && surfaces.includes(surface)) return surface;
          throw errorAt('bad_config', where, `must be one of ${surfaces.join(', ')}`);
        },
      ),
      ...(index !== undefined && { index: index as string }),
      ...(generation !== undefined && { generation: generation as string }),
    };
  });
  refuseRepeated(shadows.map(({ name }, i) => [name, `${path}[${i}].name`]));
  return shadows;
}

/** Whether the shadow takes the request. */
export function takes(shadow: Shadow, surface: string, requestId: string): boolean {
  return shadow.surfaces.includes(surface) && bucketOf(`${shadow.name}:${requestId}`) < shadow.end;
}

/** overlap@k: the share of ids that both lists have, of as many as the longer one has; 1 when both are empty. */
export function overlapOf(
  a: readonly { readonly id: string }[],
  b: readonly { readonly id: string }[],
): number {
  const longer = Math.max(a.length, b.length);
  if (longer === 0) return 1;
  const ids = new Set(a.map(({ id }) => id));
  return b.filter(({ id }) => ids.has(id)).length / longer;
}

interface Waiting {
  readonly name: string;
  readonly answered: Answered;
  readonly ask: () => Promise<LoggedAnswer>;
}

type Totals = { -readonly [Field in keyof ShadowCounts]: ShadowCounts[Field] };

export class ShadowRunner {
  readonly #isBusy: () => boolean;
  readonly #report: (record: ShadowRecord) => void;
  readonly #waiting: Waiting[] = [];
  readonly #totals = new Map<string, Totals>();
  readonly #running = new Set<Promise<void>>();

  /** `isBusy` says whether real requests need the engine; `report` gets each comparison. */
  constructor(isBusy: () => boolean, report: (record: ShadowRecord) => void) {
    this.#isBusy = isBusy;
    this.#report = report;
  }

  /** Whether any request waits to be asked again. */
  get isWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  /** Takes a request to ask again by `ask`, or counts it as dropped; never waits and never throws. */
  offer(name: string, answered: Answered, ask: () => Promise<LoggedAnswer>): void {
    if (this.#waiting.length >= SHADOWS_WAITING_MAX) {
      this.#totalsOf(answered.answer.index, name).dropped++;
      return;
    }
    this.#waiting.push({ name, answered, ask });
    this.wake();
  }

  /** Starts what waits as far as it may; to be called when a real request has ended. */
  wake(): void {
    while (this.#waiting.length > 0 && this.#running.size < IN_FLIGHT_MAX && !this.#isBusy()) {
      const running = this.#compare(this.#waiting.shift()!);
      this.#running.add(running);
      void running.then(() => {
        this.#running.delete(running);
        this.wake();
      });
    }
  }

  /** By index and shadow. */
  counts(): readonly ShadowCounts[] {
    return [...this.#totals.values()];
  }

  /** Drops what waits, and waits for what runs. */
  async close(): Promise<void> {
    for (const { name, answered } of this.#waiting.splice(0))
      this.#totalsOf(answered.answer.index, name).dropped++;
    await Promise.all(this.#running);
  }

  async #compare({ name, answered, ask }: Waiting): Promise<void> {
    const { answer, ...request } = answered;
    const totals = this.#totalsOf(answer.index, name);
    try {
      const shadow = await ask();
      const overlap = overlapOf(answer.hits, shadow.hits);
      totals.compared++;
      totals.overlap += overlap;
      totals.tookMs += answer.tookMs;
      totals.shadowTookMs += shadow.tookMs;
      this.#report({ kind: 'shadow', name, ...request, ...answer, overlap, shadow });
    } catch {
      totals.failed++;
    }
  }

  #totalsOf(index: string, name: string): Totals {
    const key = `${index}/${name}`;
    const known = this.#totals.get(key);
    if (known) return known;
    const fresh = { index, name, compared: 0, failed: 0, dropped: 0, overlap: 0, tookMs: 0, shadowTookMs: 0 };
    this.#totals.set(key, fresh);
    return fresh;
  }
}
