/** Recall of one answer, measured by asking the same exactly: at once where that costs little, else when it is wanted. */
import { useState } from 'preact/hooks';
import type { IndexDescription, RetrievalAnswer } from '../../client/client.ts';
import type { Call } from '../state/api.ts';
import { countFound, exactly } from '../state/ask.ts';
import type { Found } from '../state/find.ts';
import { percent } from '../state/format.ts';
import { useRequest } from '../state/use-request.ts';

interface RecallProps {
  readonly found: Found;
  readonly index: IndexDescription;
  readonly call: Call;
}

/** Numbers that an exact scan may read without being asked for: some milliseconds of one core. */
const UNASKED_MAX = 2 ** 24;

export function Recall({ found: { ask, value }, index, call }: RecallProps) {
  const [isWanted, setWanted] = useState(index.count * index.config.dim <= UNASKED_MAX);
  const exact = useRequest(isWanted ? 'exact' : '', (signal) => {
    const { path, body } = exactly(ask);
    return call<RetrievalAnswer>(path, { body, signal });
  });
  if (!isWanted)
    return (
      <button type="button" class="inline" onClick={() => setWanted(true)}>
        measure<span class="unseen"> recall</span>
      </button>
    );
  if (exact.refusal) return <>not measured: {exact.refusal.message}</>;
  if (exact.isWaiting || exact.value === undefined) return <>measuring…</>;
  const { hits, generation } = exact.value.value;
  if (generation !== value.generation) return <>not measured: the index has changed</>;
  if (hits.length === 0) return <>nothing to find</>;
  const count = countFound(value.hits, hits);
  return (
    <>
      {percent(count / hits.length)}{' '}
      <small>
        ({count} of {hits.length})
      </small>
    </>
  );
}
