/** The box to search in. Searching for nothing leads home. */
import type { Address } from '../state/address.ts';
import type { Go } from '../state/use-address.ts';

export function SearchForm({ address, go }: { readonly address: Address; readonly go: Go }) {
  const text = address.view.name === 'search' ? address.view.text : '';
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const wanted = String(new FormData(event.currentTarget as HTMLFormElement).get('text')).trim();
    go({ ...address, view: wanted === '' ? { name: 'home' } : { name: 'search', text: wanted } });
  };
  return (
    // biome-ignore lint/a11y/useSemanticElements: older browsers do not know the element search
    <form class="search" role="search" onSubmit={submit}>
      <label class="unseen" for="text">
        Search for pins
      </label>
      {/* Made anew with the address, so that going back shows what was searched for then */}
      <input
        key={text}
        id="text"
        name="text"
        type="search"
        defaultValue={text}
        placeholder="Search for pins"
        maxLength={1000}
        autocomplete="off"
        spellcheck={false}
      />
      <button type="submit">Search</button>
    </form>
  );
}
