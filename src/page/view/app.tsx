/** All of the page: finds out which indexes there are and shows the one of the address, or why there is none to show. */
import { useCallback, useEffect, useMemo, useState } from 'preact/hooks';
import type { IndexDescription, IndexList } from '../../client/client.ts';
import { callWith } from '../state/api.ts';
import { useAddress } from '../state/use-address.ts';
import { useKey } from '../state/use-key.ts';
import { useRequest } from '../state/use-request.ts';
import { Explorer } from './explorer.tsx';
import { IndexPage } from './index-page.tsx';
import { Masthead } from './masthead.tsx';
import { Notice } from './notice.tsx';
import { RefusalNotice } from './refusal-notice.tsx';

type Entry = IndexList['indexes'][number];

/** Time until it is asked again whether an index has been loaded. */
const LOADING_MS = 1000;

export function App() {
  const [key, setKey] = useKey();
  const [visit, go] = useAddress();
  const [turn, setTurn] = useState(0);
  const call = useMemo(() => callWith(key), [key]);
  const list = useRequest(`indexes ${turn}`, (signal) => call<IndexList>('v1/indexes', { signal }));
  const again = useCallback(() => setTurn((before) => before + 1), []);
  const changeKey = useCallback(
    (next: string | undefined) => {
      setKey(next);
      again();
    },
    [setKey, again],
  );

  const entries = list.value?.value.indexes ?? [];
  const entry = chosen(entries, visit.address.index);
  const isLoading = entry?.status === 'loading';
  useEffect(() => {
    if (!isLoading) return;
    const timer = setTimeout(again, LOADING_MS);
    return () => clearTimeout(timer);
  }, [isLoading, turn, again]);

  const refusal = (why: NonNullable<typeof list.refusal>) => (
    <RefusalNotice refusal={why} hasKey={key !== undefined} onKey={changeKey} onRetry={again} />
  );
  const shown = { visit, call, refusalOf: refusal };
  return (
    <>
      {/* biome-ignore lint/a11y/useValidAnchor: it leads within the page, whose address stays as it is */}
      <a class="skip" href="#main" onClick={skip}>
        Skip to the content
      </a>
      <Masthead
        address={visit.address}
        indexes={entries.map(({ name }) => name)}
        index={entry?.name}
        go={go}
        onForgetKey={key === undefined ? undefined : () => changeKey(undefined)}
      />
      <main id="main" tabIndex={-1}>
        {list.refusal ? (
          refusal(list.refusal)
        ) : list.value === undefined ? (
          <Notice title="Asking the server…" isBusy />
        ) : entry === undefined ? (
          <NoIndex name={visit.address.index} hasKey={key !== undefined} />
        ) : entry.status !== 'ready' ? (
          <Notice title={isLoading ? `${entry.name} is being loaded…` : `${entry.name} is not served`}>
            {!isLoading && <p>{entry.problem.detail}</p>}
          </Notice>
        ) : visit.address.view.name === 'index' ? (
          <IndexPage key={`${entry.name} ${turn}`} index={entry} hasKey={key !== undefined} {...shown} />
        ) : (
          <Explorer key={`${entry.name} ${turn}`} index={entry} go={go} {...shown} />
        )}
      </main>
    </>
  );
}

function NoIndex({ name, hasKey }: { readonly name: string | undefined; readonly hasKey: boolean }) {
  if (name !== undefined)
    return (
      <Notice title={`There is no index ${name}${hasKey ? ' that this key may see' : ''}`}>
        <p>
          <a href="?">Show another one</a>
        </p>
      </Notice>
    );
  if (hasKey)
    return (
      <Notice title="There is no index that this key may see">
        <p>Keys can be for some indexes alone. Forget this one to use another.</p>
      </Notice>
    );
  return (
    <Notice title="There is no index yet">
      <p>
        Build one with <code>nearpin build pins.jsonl --out indexes/pins</code>, or make an empty one with{' '}
        <code>PUT /v1/indexes/pins</code>.
      </p>
    </Notice>
  );
}

/** The index of that name; of no name, the first that answers, or else the first. */
function chosen(entries: readonly Entry[], name: string | undefined): Entry | undefined {
  if (name !== undefined) return entries.find((entry) => entry.name === name);
  return entries.find((entry): entry is IndexDescription => entry.status === 'ready') ?? entries[0];
}

function skip(event: Event): void {
  event.preventDefault();
  document.getElementById('main')?.focus();
}
