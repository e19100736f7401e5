/** The head of every state: where one is, which index, and the box to search in. */
import { type Address, writeAddress } from '../state/address.ts';
import type { Go } from '../state/use-address.ts';
import { Mark } from './mark.tsx';
import { SearchForm } from './search-form.tsx';

interface MastheadProps {
  readonly address: Address;
  readonly indexes: readonly string[];
  /** The one that is shown. */
  readonly index: string | undefined;
  readonly go: Go;
  /** Undefined when there is no key to forget. */
  readonly onForgetKey: (() => void) | undefined;
}

export function Masthead({ address, indexes, index, go, onForgetKey }: MastheadProps) {
  const isIndexPage = address.view.name === 'index';
  const home: Address = { ...address, view: { name: 'home' }, filters: {} };
  return (
    <header class="masthead">
      <a class="brand" href={writeAddress(home)} aria-label="nearpin">
        <Mark />
        <span>nearpin</span>
      </a>
      <SearchForm address={address} go={go} />
      <nav aria-label="Views">
        <a href={writeAddress(home)} aria-current={isIndexPage ? undefined : 'page'}>
          Pins
        </a>
        <a
          href={writeAddress({ ...address, view: { name: 'index' } })}
          aria-current={isIndexPage ? 'page' : undefined}
        >
          Index
        </a>
      </nav>
      {indexes.length > 1 && (
        <label class="picker">
          <span class="unseen">Index</span>
          <select
            value={index}
            onChange={({ currentTarget }) =>
              go({ ...address, index: currentTarget.value, filters: {}, view: placeless(address.view) })
            }
          >
            {indexes.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
      )}
      {onForgetKey && (
        <button type="button" class="quiet" onClick={onForgetKey}>
          Forget the key
        </button>
      )}
    </header>
  );
}

/** A pin of one index is none of another. */
function placeless(view: Address['view']): Address['view'] {
  return view.name === 'related' ? { name: 'home' } : view;
}
