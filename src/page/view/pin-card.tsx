/** One pin of a grid: a link to the pins that are related to it, and a button that saves it. */
import type { Hit } from '../../client/client.ts';
import { keywordsOf, titleOf } from '../state/pin.ts';
import { PinPicture } from './pin-picture.tsx';
import { SaveButton } from './save-button.tsx';

interface PinCardProps {
  readonly pin: Hit;
  readonly href: string;
  /** Undefined where scores tell nothing. */
  readonly score: { readonly value: number; readonly strength: number } | undefined;
  readonly isSaved: boolean;
  readonly onSave: (id: string) => void;
}

/** Of more keywords no card gets any clearer. */
const KEYWORDS_MAX = 3;

export function PinCard({ pin, href, score, isSaved, onSave }: PinCardProps) {
  const title = titleOf(pin);
  const keywords = keywordsOf(pin).slice(0, KEYWORDS_MAX);
  return (
    <article class="card">
      <a id={`pin-${pin.id}`} class="open" href={href}>
        <PinPicture pin={pin} />
        <span class="title">{title}</span>
      </a>
      {keywords.length > 0 && <p class="keywords">{keywords.join(' · ')}</p>}
      {score && (
        <p class="score">
          <span class="bar" aria-hidden="true">
            <span style={{ width: `${(score.strength * 100).toFixed(1)}%` }} />
          </span>
          <span class="unseen">score </span>
          {score.value.toFixed(3)}
        </p>
      )}
      <SaveButton id={pin.id} title={title} isSaved={isSaved} onSave={onSave} />
    </article>
  );
}
