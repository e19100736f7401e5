/** The surfaces of an index as they are in force. */
import type { IndexDescription, SurfaceList } from '../../client/client.ts';
import { type Call, indexPath } from '../state/api.ts';
import { useRequest } from '../state/use-request.ts';
import { Unshown } from './unshown.tsx';

interface SurfacesProps {
  readonly index: IndexDescription;
  readonly call: Call;
}

export function Surfaces({ index: { name, generation }, call }: SurfacesProps) {
  const list = useRequest(`surfaces ${generation}`, (signal) =>
    call<SurfaceList>(`${indexPath(name)}/surfaces`, { signal }),
  );
  return (
    <section class="sheet">
      <h2>Surfaces</h2>
      {list.refusal && <Unshown refusal={list.refusal} />}
      {list.value &&
        Object.entries(list.value.value.surfaces).map(([surface, config]) => (
          <details key={surface}>
            <summary>
              {surface} <span class="hint">from {Object.keys(config.sources).join(', ')}</span>
            </summary>
            <pre>{JSON.stringify(config, null, 2)}</pre>
          </details>
        ))}
    </section>
  );
}
