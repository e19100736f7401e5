/** From where to where a number or a day may lie. */
import { type Range, readRange, writeRange } from '../state/filter.ts';
import { dayOf } from '../state/pin.ts';

interface RangeFilterProps {
  readonly name: string;
  readonly type: 'number' | 'time';
  /** Least and greatest value that were seen. */
  readonly span: readonly [number, number] | undefined;
  readonly value: string | undefined;
  readonly onChange: (values: readonly string[]) => void;
}

export function RangeFilter({ name, type, span, value, onChange }: RangeFilterProps) {
  const range = readRange(value);
  const shown = span?.map((end) => (type === 'time' ? dayOf(end) : String(Math.round(end * 100) / 100)));
  const field = (end: keyof Range, label: string, hint: string | undefined) => (
    <label>
      {label}
      <input
        type={type === 'time' ? 'date' : 'number'}
        step={type === 'number' ? 'any' : undefined}
        name={`f.${name}`}
        value={range[end]}
        placeholder={hint}
        aria-label={`${name} ${label}`}
        onChange={({ currentTarget }) => onChange(writeRange({ ...range, [end]: currentTarget.value }))}
      />
    </label>
  );
  return (
    <fieldset class="range">
      <legend>{name}</legend>
      {field('from', 'from', shown?.[0])}
      {field('to', 'to', shown?.[1])}
      {type === 'time' && shown && (
        <p class="hint">
          seen: {shown[0]} to {shown[1]}
        </p>
      )}
    </fieldset>
  );
}
