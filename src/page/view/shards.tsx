/** The shards of an index. */
import type { IndexDescription } from '../../client/client.ts';
import { bytes, whole } from '../state/format.ts';
import { Table } from './table.tsx';

export function Shards({ index: { shards } }: { readonly index: IndexDescription }) {
  return (
    <section class="sheet">
      <h2>Shards</h2>
      <Table
        caption="Shards"
        heads={['Shard', 'Pins', 'Memory', 'Bytes a pin']}
        rows={shards.map(({ count, bytes: size }, i) => [
          String(i),
          whole(count),
          bytes(size),
          count > 0 ? whole(size / count) : '–',
        ])}
      />
    </section>
  );
}
