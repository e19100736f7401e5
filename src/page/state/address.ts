/**
 * What the page shows, as its address says it: every state is a link, and reading an address gives what writing it was
 * given. Nothing here touches the document.
 */

export type View =
  | { readonly name: 'home' }
  | { readonly name: 'search'; readonly text: string }
  | { readonly name: 'related'; readonly pin: string }
  | { readonly name: 'index' };

export const MODES = ['dense', 'lexical', 'hybrid'] as const;
export type Mode = (typeof MODES)[number];

/** By attribute what was chosen, as text: keywords one by one, a range as `from..to` with either end left out, a bool. */
export type Filters = Readonly<Record<string, readonly string[]>>;

export interface Address {
  /** Undefined: the first index that answers. */
  readonly index: string | undefined;
  readonly view: View;
  /** Undefined: as suits the index. */
  readonly mode: Mode | undefined;
  /** Whole, 1 to K_MAX. */
  readonly k: number;
  /** Whole, 1 to EF_MAX; undefined: the index's own. */
  readonly ef: number | undefined;
  /** Hundredths, 0 to 100; 0: as the surface has it. */
  readonly diversity: number;
  readonly filters: Filters;
}

export const K_DEFAULT = 24;
export const K_MAX = 100;
export const EF_MAX = 4096;
const FILTER_PREFIX = 'f.';

/** Reads the query part of a URL. What makes no sense in it counts as absent. */
export function readAddress(query: string): Address {
  const params = new URLSearchParams(query);
  const mode = params.get('mode');
  return {
    index: params.get('index') || undefined,
    view: readView(params),
    mode: MODES.find((one) => one === mode),
    k: wholeWithin(params.get('k'), 1, K_MAX) ?? K_DEFAULT,
    ef: wholeWithin(params.get('ef'), 1, EF_MAX),
    diversity: wholeWithin(params.get('diversity'), 0, 100) ?? 0,
    filters: readFilters(params),
  };
}

/** The address as a relative URL, which begins with a question mark. */
export function writeAddress({ index, view, mode, k, ef, diversity, filters }: Address): string {
  const params = new URLSearchParams();
  if (index !== undefined) params.set('index', index);
  if (view.name === 'search') params.set('text', view.text);
  if (view.name === 'related') params.set('pin', view.pin);
  if (view.name === 'index') params.set('view', 'index');
  if (mode !== undefined) params.set('mode', mode);
  if (k !== K_DEFAULT) params.set('k', String(k));
  if (ef !== undefined) params.set('ef', String(ef));
  if (diversity > 0) params.set('diversity', String(diversity));
  for (const [name, values] of Object.entries(filters))
    for (const value of values) params.append(FILTER_PREFIX + name, value);
  return `?${params}`;
}

/** The filters with what is chosen of one attribute replaced; without the attribute where that is nothing. */
export function withFilter(filters: Filters, name: string, values: readonly string[]): Filters {
  const { [name]: _, ...rest } = filters;
  return values.length === 0 ? rest : { ...rest, [name]: values };
}

function readView(params: URLSearchParams): View {
  const pin = params.get('pin');
  const text = params.get('text');
  if (params.get('view') === 'index') return { name: 'index' };
  if (pin) return { name: 'related', pin };
  return text ? { name: 'search', text } : { name: 'home' };
}

function readFilters(params: URLSearchParams): Filters {
  const names = [...new Set(params.keys())].filter((name) => name.startsWith(FILTER_PREFIX));
  return Object.fromEntries(names.map((name) => [name.slice(FILTER_PREFIX.length), params.getAll(name)]));
}

function wholeWithin(text: string | null, min: number, max: number): number | undefined {
  const value = text === null || text === '' ? Number.NaN : Number(text);
  return Number.isInteger(value) && value >= min && value <= max ? value : undefined;
}
