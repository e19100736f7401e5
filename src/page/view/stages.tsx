/** Where the server's time went: stages as parts of a bar, and with their times as a list. */
import type { Stage } from '../state/api.ts';
import { milliseconds } from '../state/format.ts';

/** They are parts of `search`. */
const WITHIN_SEARCH = ['filter', 'rescore'];

export function Stages({ stages }: { readonly stages: readonly Stage[] }) {
  const shown = stages.filter(({ name }) => name !== 'total');
  const parts = shown.filter(({ name }) => !WITHIN_SEARCH.includes(name));
  const colourOf = (stage: Stage) => `part-${parts.indexOf(stage) % 8}`;
  return (
    <div class="stages">
      <div class="bar" aria-hidden="true">
        {parts.map((stage) => (
          <span key={stage.name} class={`part ${colourOf(stage)}`} style={{ flexGrow: stage.ms }} />
        ))}
      </div>
      <ul aria-label="Stages on the server">
        {shown.map((stage) => (
          <li key={stage.name}>
            {parts.includes(stage) ? (
              <span class={`swatch ${colourOf(stage)}`} aria-hidden="true" />
            ) : (
              'of search, '
            )}
            {stage.name} {milliseconds(stage.ms)}
          </li>
        ))}
      </ul>
    </div>
  );
}
