/** The generations of an index: what was published when, for administrators. */
import { useState } from 'preact/hooks';
import type { GenerationDescription, IndexDescription } from '../../client/client.ts';
import { type Call, indexPath } from '../state/api.ts';
import { bytes, whole } from '../state/format.ts';
import { useRequest } from '../state/use-request.ts';
import { Table } from './table.tsx';
import { Unshown } from './unshown.tsx';

interface GenerationsProps {
  readonly index: IndexDescription;
  readonly call: Call;
  /** Else a key is not tried on them before they are asked for. */
  readonly isForAll: boolean;
}

export function Generations({ index: { name, generation }, call, isForAll }: GenerationsProps) {
  const [isWanted, setWanted] = useState(isForAll);
  const list = useRequest(isWanted ? `generations ${generation}` : '', (signal) =>
    call<{ readonly generations: readonly GenerationDescription[] }>(`${indexPath(name)}/generations`, {
      signal,
    }),
  );
  return (
    <section class="sheet">
      <h2>Generations</h2>
      {!isWanted && (
        <p class="hint">
          They are for administrators.{' '}
          <button type="button" class="inline" onClick={() => setWanted(true)}>
            Show generations
          </button>
        </p>
      )}
      {list.refusal && <Unshown refusal={list.refusal} />}
      {list.value && (
        <Table
          caption="Generations"
          heads={['Generation', 'State', 'Pins', 'Last update', 'Files', 'Model']}
          rows={list.value.value.generations.map((one) => [
            one.generation,
            one.isCurrent ? <b>served</b> : one.canPublish ? 'can be published' : 'log is gone',
            whole(one.count),
            whole(one.seq),
            bytes(one.bytes),
            one.model ?? 'none',
          ])}
        />
      )}
    </section>
  );
}
