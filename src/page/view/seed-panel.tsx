/** The pin that others are related to, with all that is known of it; its keywords lead to the pins that share them. */
import { type Address, writeAddress } from '../state/address.ts';
import type { AttributeTypes } from '../state/filter.ts';
import type { Pin } from '../state/find.ts';
import { otherFields, titleOf, valueText } from '../state/pin.ts';
import { PinPicture } from './pin-picture.tsx';
import { SaveButton } from './save-button.tsx';

interface SeedPanelProps {
  readonly seed: Pin;
  readonly address: Address;
  readonly types: AttributeTypes;
  readonly isSaved: boolean;
  readonly onSave: (id: string) => void;
}

export function SeedPanel({ seed, address, types, isSaved, onSave }: SeedPanelProps) {
  const title = titleOf(seed);
  const withKeyword = (name: string, keyword: string) =>
    writeAddress({ ...address, view: { name: 'home' }, filters: { [name]: [keyword] } });
  return (
    <section class="seed" aria-label="The pin that these are related to">
      <div class="frame">
        <PinPicture pin={seed} />
        <SaveButton id={seed.id} title={title} isSaved={isSaved} onSave={onSave} />
      </div>
      <div class="about">
        <dl>
          <div>
            <dt>id</dt>
            <dd>{seed.id}</dd>
          </div>
          {Object.entries(seed.attributes ?? {}).map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>
                {types[name] === 'keyword' || types[name] === 'keyword[]'
                  ? [value].flat().map((keyword) => (
                      <a key={keyword} class="chip" href={withKeyword(name, String(keyword))}>
                        {keyword}
                      </a>
                    ))
                  : valueText(value, types[name])}
              </dd>
            </div>
          ))}
          {otherFields(seed).map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
      </div>
    </section>
  );
}
