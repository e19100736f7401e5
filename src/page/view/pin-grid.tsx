/**
 * Pins in columns, as close as they go and in the order of the answer: a grid of low rows, of which each card spans as many
 * as it is high.
 */
import { useLayoutEffect, useRef } from 'preact/hooks';
import type { IndexDescription } from '../../client/client.ts';
import { writeAddress } from '../state/address.ts';
import { modeOf } from '../state/ask.ts';
import type { Found } from '../state/find.ts';
import { PinCard } from './pin-card.tsx';

interface PinGridProps {
  readonly found: Found;
  readonly index: IndexDescription;
  readonly savedIds: ReadonlySet<string>;
  readonly onSave: (id: string) => void;
}

/** Height of a row, and what is free below a card; `page.css` has the same row. */
const ROW_PX = 4;
const GAP_PX = 16;

export function PinGrid({ found, index, savedIds, onSave }: PinGridProps) {
  const { address } = found;
  const { hits } = found.value;
  const list = useRef<HTMLUListElement>(null);
  useLayoutEffect(() => {
    const cells = [...list.current!.children] as HTMLElement[];
    fit(cells);
    const observer = new ResizeObserver(() => fit(cells));
    for (const cell of cells) observer.observe(cell.firstElementChild!);
    return () => observer.disconnect();
  }, [hits]);
  const strength = strengthBy(found, index);
  return (
    // biome-ignore lint/a11y/noRedundantRoles: without its markers a list is none to some readers
    <ul class="grid" role="list" ref={list}>
      {hits.map((hit) => (
        <li key={hit.id}>
          <PinCard
            pin={hit}
            href={writeAddress({ ...address, view: { name: 'related', pin: hit.id } })}
            score={strength && { value: hit.score, strength: strength(hit.score) }}
            isSaved={savedIds.has(hit.id)}
            onSave={onSave}
          />
        </li>
      ))}
    </ul>
  );
}

/** Reads all heights before it sets any span, so that the page is laid out once. */
function fit(cells: readonly HTMLElement[]): void {
  const heights = cells.map((cell) => (cell.firstElementChild as HTMLElement).offsetHeight);
  for (const [i, cell] of cells.entries())
    cell.style.gridRowEnd = `span ${Math.ceil((heights[i]! + GAP_PX) / ROW_PX)}`;
}

/**
 * From a score to 0..1 for a bar: a cosine as it is, anything else between the least and the best of the answer. A home feed
 * puts scores of different kinds side by side, so it shows none.
 */
function strengthBy(
  { address, value: { hits } }: Found,
  index: IndexDescription,
): ((score: number) => number) | undefined {
  const { name } = address.view;
  if (name === 'home') return undefined;
  const isCosine =
    index.config.metric === 'cosine' && (name === 'related' || modeOf(address, index) === 'dense');
  if (isCosine) return (score) => Math.min(1, Math.max(0, score));
  const scores = hits.map(({ score }) => score);
  const least = Math.min(...scores);
  const most = Math.max(...scores);
  return (score) => (most > least ? (score - least) / (most - least) : 1);
}
