/** The image that a pin's payload names; a drawn one when it names none, or that cannot be shown. */
import { useState } from 'preact/hooks';
import { imageOf, type Shown } from '../state/pin.ts';
import { Artwork } from './artwork.tsx';

export function PinPicture({ pin }: { readonly pin: Shown }) {
  const source = imageOf(pin);
  const [failed, setFailed] = useState<string>();
  return source === undefined || source === failed ? (
    <Artwork pin={pin} />
  ) : (
    <img
      class="picture"
      src={source}
      alt=""
      loading="lazy"
      referrerpolicy="no-referrer"
      onError={() => setFailed(source)}
    />
  );
}
