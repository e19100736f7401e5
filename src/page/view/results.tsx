/** What was found for an address: its heading, what it took, and the pins. */
import { useEffect } from 'preact/hooks';
import type { IndexDescription } from '../../client/client.ts';
import type { Address } from '../state/address.ts';
import type { Call } from '../state/api.ts';
import type { Found } from '../state/find.ts';
import { milliseconds, plural } from '../state/format.ts';
import { titleOf } from '../state/pin.ts';
import type { Go } from '../state/use-address.ts';
import { AnswerFacts } from './answer-facts.tsx';
import { Chosen } from './chosen.tsx';
import { Notice } from './notice.tsx';
import { PinGrid } from './pin-grid.tsx';
import { SeedPanel } from './seed-panel.tsx';

interface ResultsProps {
  readonly index: IndexDescription;
  readonly address: Address;
  readonly go: Go;
  readonly call: Call;
  /** While waiting, what was found before. */
  readonly found: Found | undefined;
  readonly isWaiting: boolean;
  readonly savedIds: ReadonlySet<string>;
  readonly onSave: (id: string) => void;
  /** Makes the home feed anew. */
  readonly onRenew: () => void;
}

export function Results(props: ResultsProps) {
  const { index, address, go, call, found, isWaiting, savedIds, onSave, onRenew } = props;
  const title = found && headingOf(found);
  useEffect(() => {
    if (title !== undefined) document.title = `${title} · nearpin`;
  }, [title]);
  if (found === undefined) return <Notice title="Searching…" isBusy />;
  const { hits } = found.value;
  const isHome = found.address.view.name === 'home';
  return (
    <section class={`results${isWaiting ? ' waiting' : ''}`} aria-busy={isWaiting} aria-labelledby="heading">
      <h1 id="heading" tabIndex={-1}>
        {title}
      </h1>
      {found.seed && (
        <SeedPanel
          seed={found.seed}
          address={found.address}
          types={index.config.attributes}
          isSaved={savedIds.has(found.seed.id)}
          onSave={onSave}
        />
      )}
      <p role="status" class="status">
        {isWaiting ? 'Searching…' : `${plural(hits.length, 'pin')} in ${milliseconds(found.roundTripMs)}`}
      </p>
      <AnswerFacts key={found.ask} found={found} index={index} call={call} />
      <Chosen address={address} go={go} types={index.config.attributes} />
      {isHome && savedIds.size !== found.savedCount && (
        <p>
          <button type="button" class="quiet" onClick={onRenew}>
            Make the feed anew from {plural(savedIds.size, 'saved pin')}
          </button>
        </p>
      )}
      {hits.length === 0 ? (
        <Empty found={found} />
      ) : (
        <PinGrid found={found} index={index} savedIds={savedIds} onSave={onSave} />
      )}
    </section>
  );
}

function headingOf({ address: { view }, seed, savedCount }: Found): string {
  if (view.name === 'search') return `Pins for “${view.text}”`;
  if (seed !== undefined) return `Related to ${titleOf(seed)}`;
  return savedCount > 0 ? `For you, from ${plural(savedCount, 'saved pin')}` : 'Pins';
}

function Empty({ found: { address } }: { readonly found: Found }) {
  const isFiltered = Object.keys(address.filters).length > 0;
  return (
    <div class="empty">
      <h2>No pin fits</h2>
      <p>
        {isFiltered
          ? 'Take away a filter, or ask for something else.'
          : address.view.name === 'search'
            ? 'Try other words, or another way to search.'
            : 'This index has none to show.'}
      </p>
    </div>
  );
}
