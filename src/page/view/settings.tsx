/** All that can be set of a request: how to search, how wide, how diverse, and filters by the attributes of the index. */
import { useState } from 'preact/hooks';
import type { IndexDescription } from '../../client/client.ts';
import { type Address, K_MAX, MODES, type Mode, withFilter } from '../state/address.ts';
import { modeOf } from '../state/ask.ts';
import type { Facets } from '../state/facets.ts';
import type { Go } from '../state/use-address.ts';
import { EfSlider } from './ef-slider.tsx';
import { FilterField } from './filter-field.tsx';
import { RadioGroup } from './radio-group.tsx';
import { Slider } from './slider.tsx';

interface SettingsProps {
  readonly index: IndexDescription;
  readonly address: Address;
  readonly go: Go;
  readonly facets: Facets;
}

const MODE_TEXT: Readonly<Record<Mode, string>> = {
  dense: 'by meaning',
  lexical: 'by words',
  hybrid: 'by both',
};

export function Settings({ index, address, go, facets }: SettingsProps) {
  // On a narrow screen they are folded away; a wide one has room and shows no button
  const [isOpen, setOpen] = useState(false);
  const change = (changes: Partial<Address>) => go({ ...address, ...changes }, 'replace');
  const isChosen = Object.keys(address.filters).length > 0;
  return (
    <aside class="settings" aria-label="Settings and filters">
      <button
        type="button"
        class="quiet unfold"
        aria-expanded={isOpen}
        aria-controls="settings"
        onClick={() => setOpen(!isOpen)}
      >
        Settings and filters{isChosen && ' (some chosen)'}
      </button>
      <div id="settings" class={isOpen ? 'fold open' : 'fold'}>
        <RadioGroup
          name="mode"
          legend="Search"
          value={modeOf(address, index)}
          options={MODES.map((mode) => ({
            value: mode,
            text: MODE_TEXT[mode],
            hint: mode,
            isDisabled: mode !== 'lexical' && index.model === null,
          }))}
          onChange={(mode) => change({ mode: mode as Mode })}
        />
        <Slider
          name="k"
          label="Pins (k)"
          min={1}
          max={K_MAX}
          value={address.k}
          text={String}
          onChange={(k) => change({ k })}
        />
        <EfSlider value={address.ef} defaultEf={index.defaultEf} onChange={(ef) => change({ ef })} />
        <Slider
          name="diversity"
          label="Diversity"
          min={0}
          max={100}
          step={5}
          value={address.diversity}
          text={(value) => (value === 0 ? 'by default' : `${value} %`)}
          onChange={(diversity) => change({ diversity })}
        />
        {Object.entries(index.config.attributes).map(([name, type]) => (
          <FilterField
            key={name}
            name={name}
            type={type}
            facet={facets[name]}
            values={address.filters[name] ?? []}
            onChange={(values) =>
              go({ ...address, filters: withFilter(address.filters, name, values) }, 'replace')
            }
          />
        ))}
      </div>
    </aside>
  );
}
