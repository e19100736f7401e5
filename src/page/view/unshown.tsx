/** A part of a page that could not be had, while the rest could. */
import type { Refusal } from '../state/api.ts';

export function Unshown({ refusal: { status, code, message } }: { readonly refusal: Refusal }) {
  const reason = status === 401 || status === 403 ? 'This key may not see them.' : message;
  return (
    <p class="unshown">
      {reason} <code>{code}</code>
    </p>
  );
}
