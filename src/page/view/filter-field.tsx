/** The filter of one attribute, by its type. */
import type { Facet } from '../state/facets.ts';
import type { AttributeType } from '../state/filter.ts';
import { KeywordFilter } from './keyword-filter.tsx';
import { RadioGroup } from './radio-group.tsx';
import { RangeFilter } from './range-filter.tsx';

interface FilterFieldProps {
  readonly name: string;
  readonly type: AttributeType;
  /** Undefined until something is known of its values. */
  readonly facet: Facet | undefined;
  /** What is chosen; empty when nothing is. */
  readonly values: readonly string[];
  readonly onChange: (values: readonly string[]) => void;
}

const BOOL_OPTIONS = [
  { value: '', text: 'any' },
  { value: 'true', text: 'yes' },
  { value: 'false', text: 'no' },
];

export function FilterField({ name, type, facet, values, onChange }: FilterFieldProps) {
  if (type === 'bool')
    return (
      <RadioGroup
        name={`f.${name}`}
        legend={name}
        value={values[0] ?? ''}
        options={BOOL_OPTIONS}
        onChange={(value) => onChange(value === '' ? [] : [value])}
      />
    );
  if (type === 'number' || type === 'time')
    return <RangeFilter name={name} type={type} span={facet?.span} value={values[0]} onChange={onChange} />;
  return <KeywordFilter name={name} known={facet?.keywords ?? []} values={values} onChange={onChange} />;
}
