/** One of a few. */

interface Option {
  readonly value: string;
  readonly text: string;
  readonly hint?: string;
  readonly isDisabled?: boolean;
}

interface RadioGroupProps {
  readonly name: string;
  readonly legend: string;
  readonly value: string;
  readonly options: readonly Option[];
  readonly onChange: (value: string) => void;
}

export function RadioGroup({ name, legend, value, options, onChange }: RadioGroupProps) {
  return (
    <fieldset class="radios">
      <legend>{legend}</legend>
      <div class="choices">
        {options.map((option) => (
          <label key={option.value} title={option.hint}>
            <input
              type="radio"
              name={name}
              value={option.value}
              checked={option.value === value}
              disabled={option.isDisabled}
              onChange={() => onChange(option.value)}
            />
            <span>{option.text}</span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}
