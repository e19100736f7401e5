/** Keywords to choose among: those that were seen most to tick, any other one to type. */
import { useState } from 'preact/hooks';

interface KeywordFilterProps {
  readonly name: string;
  /** Values that were seen, the most frequent first. */
  readonly known: readonly string[];
  readonly values: readonly string[];
  readonly onChange: (values: readonly string[]) => void;
}

const TICKED_MAX = 8;
/** What is offered to who types. */
const LISTED_MAX = 200;

export function KeywordFilter({ name, known, values, onChange }: KeywordFilterProps) {
  const [typed, setTyped] = useState('');
  const offered = [...new Set([...known.slice(0, TICKED_MAX), ...values])];
  const rest = known.filter((keyword) => !offered.includes(keyword)).slice(0, LISTED_MAX);
  const field = `f.${name}`;
  const add = (keyword: string) => {
    setTyped('');
    if (keyword !== '' && !values.includes(keyword)) onChange([...values, keyword]);
  };
  return (
    <fieldset>
      <legend>{name}</legend>
      <div class="choices">
        {offered.map((keyword) => (
          <label key={keyword}>
            <input
              type="checkbox"
              name={field}
              checked={values.includes(keyword)}
              onChange={({ currentTarget }) =>
                onChange(
                  currentTarget.checked ? [...values, keyword] : values.filter((one) => one !== keyword),
                )
              }
            />
            <span>{keyword}</span>
          </label>
        ))}
      </div>
      {(rest.length > 0 || known.length === 0) && (
        <form
          class="other"
          onSubmit={(event) => {
            event.preventDefault();
            add(typed.trim());
          }}
        >
          <input
            aria-label={`Another ${name}`}
            placeholder={`another ${name}`}
            list={`${field}-known`}
            value={typed}
            autocomplete="off"
            onInput={({ currentTarget }) => setTyped(currentTarget.value)}
            onChange={({ currentTarget }) => {
              if (rest.includes(currentTarget.value)) add(currentTarget.value);
            }}
          />
          <datalist id={`${field}-known`}>
            {rest.map((keyword) => (
              <option key={keyword} value={keyword} />
            ))}
          </datalist>
          <button type="submit" class="quiet" aria-label={`Add the ${name}`}>
            Add
          </button>
        </form>
      )}
    </fieldset>
  );
}
