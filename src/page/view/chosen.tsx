/** The filters that are in force, each to be taken away. */
import { type Address, withFilter } from '../state/address.ts';
import { type AttributeType, type AttributeTypes, readRange } from '../state/filter.ts';
import type { Go } from '../state/use-address.ts';

interface ChosenProps {
  readonly address: Address;
  readonly go: Go;
  readonly types: AttributeTypes;
}

export function Chosen({ address, go, types }: ChosenProps) {
  const { filters } = address;
  const chosen = Object.entries(filters).filter(([name]) => Object.hasOwn(types, name));
  if (chosen.length === 0) return null;
  return (
    <ul class="chips" aria-label="Filters in force">
      {chosen.flatMap(([name, values]) =>
        values.map((value) => (
          <li key={`${name} ${value}`}>
            <button
              type="button"
              class="chip"
              onClick={() =>
                go({
                  ...address,
                  filters: withFilter(
                    filters,
                    name,
                    values.filter((one) => one !== value),
                  ),
                })
              }
            >
              {name}: {textOf(value, types[name])} <span aria-hidden="true">×</span>
              <span class="unseen">, take away</span>
            </button>
          </li>
        )),
      )}
      {chosen.length > 1 && (
        <li>
          <button type="button" class="chip" onClick={() => go({ ...address, filters: {} })}>
            Take all away
          </button>
        </li>
      )}
    </ul>
  );
}

function textOf(value: string, type: AttributeType | undefined): string {
  if (type === 'bool') return value === 'true' ? 'yes' : 'no';
  if (type !== 'number' && type !== 'time') return value;
  const { from, to } = readRange(value);
  if (to === '') return `from ${from}`;
  return from === '' ? `up to ${to}` : `${from} to ${to}`;
}
