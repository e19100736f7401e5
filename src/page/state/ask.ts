/** What the server is asked for an address, and how much of the exact answer was found. */
import type { Hit, IndexDescription } from '../../client/client.ts';
import type { Address, Mode } from './address.ts';
import { indexPath } from './api.ts';
import { filterOf } from './filter.ts';

/** A pin that was saved on this page. */
export interface Saved {
  readonly id: string;
  /** Epoch milliseconds. */
  readonly at: number;
}

export interface Ask {
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
  /** Whether what it finds depends on ef, so that it can be held against an exact answer. */
  readonly isApproximate: boolean;
}

/** How texts are searched for when the address does not say: by meaning where there is a model, else by words. */
export function modeOf({ mode }: Address, { model }: IndexDescription): Mode {
  return mode ?? (model === null ? 'lexical' : 'dense');
}

/** The request for the pins of an address. An index page has none of its own; the home feed is asked for behind it. */
export function askFor(address: Address, index: IndexDescription, saved: readonly Saved[]): Ask {
  const { view, k, ef, diversity } = address;
  const filter = filterOf(address.filters, index.config.attributes);
  const common = {
    k,
    ...(ef !== undefined && { ef }),
    ...(filter !== undefined && { filter }),
    ...(diversity > 0 && { diversity: { lambda: (100 - diversity) / 100 } }),
    include: ['payload', 'attributes'],
  };
  const at = indexPath(index.name);
  if (view.name === 'search') {
    const mode = modeOf(address, index);
    return {
      path: `${at}/search`,
      body: { text: view.text, mode, ...common },
      isApproximate: mode !== 'lexical',
    };
  }
  if (view.name === 'related')
    return { path: `${at}/related`, body: { pins: [view.pin], ...common }, isApproximate: true };
  return {
    path: `${at}/homefeed`,
    body: { history: saved, ...common },
    // Who has saved nothing gets the newest pins, which nothing approximates
    isApproximate: saved.length > 0,
  };
}

/** The same request by an exact scan, of which the ids are enough. */
export function exactly({ body, ...rest }: Ask): Ask {
  const { ef: _, include: __, ...same } = body;
  return { ...rest, body: { ...same, exact: true } };
}

/** How many of the exact hits are among the hits. */
export function countFound(hits: readonly Hit[], exact: readonly Hit[]): number {
  const ids = new Set(hits.map(({ id }) => id));
  return exact.filter(({ id }) => ids.has(id)).length;
}
