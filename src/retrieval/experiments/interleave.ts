/**
 * Team-draft interleaving (Radlinski, Kurup and Joachims, CIKM 2008): two answers become one list, to which each adds
 * in turn the best of its hits that is not there yet; by chance where both have added as many. Whoever added a hit gets
 * the click on it. It tells which of two answers users prefer with far fewer of them than an A/B test needs.
 */
import { Prng } from '../../lib/prng.ts';
import { hash64 } from './hash.ts';

interface Ranked {
  readonly id: string;
}

/** A hit of an interleaved answer, with the arm that added it; without where there was none to compete with. */
export type Drafted<Hit extends Ranked> = Hit & { readonly team?: string };

/**
 * The first `k` of two lists in which no id stands twice, interleaved. When one list has nothing left to add, the rest
 * of the other follows for nobody: what was shown without a rival says nothing about either.
 * @param seed decides who goes first wherever both have added as many
 */
export function teamDraft<Hit extends Ranked>(
  lists: readonly [readonly Hit[], readonly Hit[]],
  names: readonly [string, string],
  k: number,
  seed: bigint,
): Drafted<Hit>[] {
  const random = new Prng(seed);
  const drafted: Drafted<Hit>[] = [];
  const taken = new Set<string>();
  const next = [0, 0];
  const added = [0, 0];
  const advance = (team: 0 | 1): Hit | undefined => {
    const list = lists[team];
    while (next[team]! < list.length && taken.has(list[next[team]!]!.id)) next[team]!++;
    return list[next[team]!];
  };
  while (drafted.length < k) {
    const heads = [advance(0), advance(1)] as const;
    if (heads[0] === undefined || heads[1] === undefined) break;
    const lead = added[0]! - added[1]!;
    const team = lead < 0 || (lead === 0 && random.u32() >= 0x8000_0000) ? 0 : 1;
    const hit = heads[team]!;
    drafted.push({ ...hit, team: names[team] });
    taken.add(hit.id);
    added[team]!++;
  }
  const rest = lists.flat().filter(({ id }) => !taken.has(id));
  return [...drafted, ...rest.slice(0, k - drafted.length)];
}

/**
 * The chance of a draft: of the experiment, the unit and what both lists hold. The same lists are interleaved alike when
 * the unit comes back to them, and differently for others and for other lists.
 */
export function draftSeed(
  experiment: string,
  unit: string | undefined,
  lists: readonly (readonly Ranked[])[],
): bigint {
  return hash64(JSON.stringify([experiment, unit ?? null, ...lists.map((list) => list.map(({ id }) => id))]));
}

export interface Credit {
  /** Clicks on the hits of each team, by its name. */
  readonly clicks: Readonly<Record<string, number>>;
  /** The team with more of them; null for a tie, which no clicks are as well. */
  readonly winner: string | null;
}

/**
 * Credits the clicks on one interleaved answer to its teams. A hit that was clicked more than once counts once; clicks
 * on ids that are no hit, and on hits of no team, count for none.
 */
export function creditClicks(
  hits: readonly { readonly id: string; readonly team?: string }[],
  clicked: Iterable<string>,
): Credit {
  const clicks: Record<string, number> = {};
  const ids = new Set(clicked);
  for (const { id, team } of hits) {
    if (team !== undefined) clicks[team] = (clicks[team] ?? 0) + (ids.has(id) ? 1 : 0);
  }
  const most = Math.max(0, ...Object.values(clicks));
  const leaders = Object.keys(clicks).filter((team) => clicks[team] === most);
  return { clicks, winner: most > 0 && leaders.length === 1 ? leaders[0]! : null };
}
