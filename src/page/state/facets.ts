/**
 * What values attributes have, as far as pins that were seen tell: the API has no list of values, so the page draws some
 * pins by random vectors when it opens an index, and learns from every answer.
 */
import type { Hit, IndexDescription, MultiAnswer } from '../../client/client.ts';
import { type Call, indexPath } from './api.ts';
import { drawBy } from './draw.ts';
import type { AttributeTypes } from './filter.ts';

export interface Facet {
  /** The most frequent first; what is learnt later comes behind, so that nothing moves under a pointer. */
  readonly keywords: readonly string[];
  /** Least and greatest number, or time in epoch milliseconds; undefined before there was any. */
  readonly span: readonly [number, number] | undefined;
}

export type Facets = Readonly<Record<string, Facet>>;

const NOTHING: Facet = { keywords: [], span: undefined };
const SAMPLE_VECTORS = 8;
const SAMPLE_K = 50;

/** The facets with the attributes of some more pins. */
export function learn(facets: Facets, types: AttributeTypes, hits: readonly Hit[]): Facets {
  const learnt = Object.keys(types).map((name) => {
    const values = hits.flatMap(({ attributes }) => attributes?.[name] ?? []);
    return [name, withValues(facets[name] ?? NOTHING, values)];
  });
  return Object.fromEntries(learnt);
}

/** Draws some hundred pins of the index, the same ones each time. */
export async function samplePins(
  call: Call,
  { name, config }: IndexDescription,
  signal: AbortSignal,
): Promise<readonly Hit[]> {
  const draw = drawBy(name);
  const vectors = Array.from({ length: SAMPLE_VECTORS }, () =>
    Array.from({ length: config.dim }, () => draw() - 0.5),
  );
  const body = { vectors, k: SAMPLE_K, include: ['attributes'] };
  const { value } = await call<MultiAnswer>(`${indexPath(name)}/query`, { body, signal });
  const byId = new Map(value.results.flatMap(({ hits }) => hits.map((hit) => [hit.id, hit] as const)));
  return [...byId.values()];
}

function withValues({ keywords, span }: Facet, values: readonly (string | number | boolean)[]): Facet {
  const counts = new Map<string, number>();
  for (const value of values) if (typeof value === 'string') counts.set(value, (counts.get(value) ?? 0) + 1);
  for (const known of keywords) counts.delete(known);
  const found = [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)).map(([keyword]) => keyword);
  const numbers = [...(span ?? []), ...values.filter((value) => typeof value === 'number')];
  return {
    keywords: [...keywords, ...found],
    span: numbers.length === 0 ? undefined : [Math.min(...numbers), Math.max(...numbers)],
  };
}
