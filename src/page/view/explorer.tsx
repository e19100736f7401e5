/** Pins of one index: those of the home feed, of a search, or related to one; with what can be set, and what it took. */
import type { ComponentChildren } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { IndexDescription } from '../../client/client.ts';
import { writeAddress } from '../state/address.ts';
import type { Call, Refusal } from '../state/api.ts';
import { type Facets, learn, samplePins } from '../state/facets.ts';
import { type Found, findPins } from '../state/find.ts';
import { type Go, useArrival, type Visit } from '../state/use-address.ts';
import { useRequest } from '../state/use-request.ts';
import { useSaved } from '../state/use-saved.ts';
import { Results } from './results.tsx';
import { Settings } from './settings.tsx';

interface ExplorerProps {
  readonly index: IndexDescription;
  readonly visit: Visit;
  readonly go: Go;
  readonly call: Call;
  readonly refusalOf: (refusal: Refusal) => ComponentChildren;
}

/** Answers that are kept, so that going back shows at once what was there. */
const KEPT_MAX = 20;

export function Explorer({ index, visit, go, call, refusalOf }: ExplorerProps) {
  const { attributes } = index.config;
  const { address } = visit;
  const url = writeAddress(address);
  const [saved, toggleSaved] = useSaved(index.name);
  const [renewed, setRenewed] = useState(0);
  const kept = useRef(new Map<string, Found>());
  const found = useRequest(`${renewed} ${url}`, async (signal) => {
    const before = visit.by === 'history' ? kept.current.get(url) : undefined;
    return before ?? findPins(call, index, address, saved, signal);
  });
  useArrival(visit, !found.isWaiting);

  const sampled = useRequest('sample', (signal) => samplePins(call, index, signal));
  const [facets, setFacets] = useState<Facets>({});
  useEffect(() => setFacets((known) => learn(known, attributes, sampled.value ?? [])), [sampled.value]);
  useEffect(() => {
    const { value } = found;
    if (value === undefined) return;
    setFacets((known) => learn(known, attributes, value.value.hits));
    kept.current.set(writeAddress(value.address), value);
    const [oldest] = kept.current.keys();
    if (kept.current.size > KEPT_MAX) kept.current.delete(oldest!);
  }, [found.value]);

  const savedIds = useMemo(() => new Set(saved.map(({ id }) => id)), [saved]);
  return (
    <div class="explorer">
      <Settings index={index} address={address} go={go} facets={facets} />
      {found.refusal ? (
        refusalOf(found.refusal)
      ) : (
        <Results
          index={index}
          address={address}
          go={go}
          call={call}
          found={found.value}
          isWaiting={found.isWaiting}
          savedIds={savedIds}
          onSave={toggleSaved}
          onRenew={() => setRenewed((before) => before + 1)}
        />
      )}
    </div>
  );
}
