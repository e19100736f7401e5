/**
 * Neighbours of pins by who saved them (Sarwar et al., 2001; for lists without ratings Deshpande and Karypis, 2004): a
 * pin scores the sum over the history of cosine(i, j) = users of both / sqrt(users of i * users of j). All neighbours
 * count; similarities are computed when they are needed, so the memory is that of the interactions.
 */
import type { Interactions } from './interactions.ts';

/** Lists for histories, none of `hidden` in them. */
export type Recommend = (history: readonly string[], hidden: ReadonlySet<string>, k: number) => string[];

/**
 * Item-kNN: the best k pins, ties by id; when fewer have anything in common with the history, then the most popular
 * others.
 */
export function createItemKnn(interactions: Interactions): Recommend {
  const { ids } = interactions;
  const scores = new Float64Array(ids.length);
  const together = new Uint32Array(ids.length);
  const isBetter = (a: number, b: number) =>
    scores[a]! > scores[b]! || (scores[a] === scores[b] && ids[a]! < ids[b]!);
  return (history, hidden, k) => {
    const neighbours: number[] = [];
    const touched: number[] = [];
    const count = (other: number) => {
      if (together[other]!++ === 0) touched.push(other);
    };
    for (const id of new Set(history)) {
      const pin = interactions.numberOf(id);
      if (pin === undefined) continue;
      interactions.forEachTogether(pin, count);
      const users = interactions.usersOf(pin);
      for (const other of touched) {
        if (scores[other] === 0) neighbours.push(other);
        scores[other]! += together[other]! / Math.sqrt(users * interactions.usersOf(other));
        together[other] = 0;
      }
      touched.length = 0;
    }
    const best: number[] = [];
    for (const pin of neighbours) {
      if (best.length === k && !isBetter(pin, best.at(-1)!)) continue;
      if (hidden.has(ids[pin]!)) continue;
      let place = best.length;
      while (place > 0 && isBetter(pin, best[place - 1]!)) place--;
      best.splice(place, 0, pin);
      if (best.length > k) best.pop();
    }
    for (const pin of neighbours) scores[pin] = 0;
    const found = best.map((pin) => ids[pin]!);
    return found.length === k
      ? found
      : [...found, ...mostPopular(interactions, new Set([...hidden, ...found]), k - found.length)];
  };
}

/** The k pins that most users saved, none of `hidden` among them. */
export function mostPopular(interactions: Interactions, hidden: ReadonlySet<string>, k: number): string[] {
  const popular: string[] = [];
  for (const pin of interactions.byPopularity) {
    if (popular.length === k) break;
    const id = interactions.ids[pin]!;
    if (!hidden.has(id)) popular.push(id);
  }
  return popular;
}
