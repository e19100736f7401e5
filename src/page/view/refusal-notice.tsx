/** Why there is no answer, and what can be done about it: another attempt, or a key. */
import type { Refusal } from '../state/api.ts';
import { KeyForm } from './key-form.tsx';
import { Notice } from './notice.tsx';

interface RefusalNoticeProps {
  readonly refusal: Refusal;
  readonly hasKey: boolean;
  readonly onKey: (key: string) => void;
  readonly onRetry: () => void;
}

export function RefusalNotice({ refusal, hasKey, onKey, onRetry }: RefusalNoticeProps) {
  const { status, code, message, places } = refusal;
  const wantsKey = status === 401 || status === 403;
  // What the server says then is for programs
  const isFirst = status === 401 && !hasKey;
  return (
    <Notice title={titleOf(status, hasKey)} isAlert>
      <p>
        {isFirst ? 'Whoever runs it gives them out.' : message} <code>{code}</code>
      </p>
      {places.length > 0 && (
        <ul>
          {places.map((place) => (
            <li key={place.path}>
              <code>{place.path}</code> {place.message}
            </li>
          ))}
        </ul>
      )}
      {wantsKey ? (
        <KeyForm label={hasKey ? 'Another key' : 'Key'} onKey={onKey} />
      ) : (
        <button type="button" onClick={onRetry}>
          Try again
        </button>
      )}
    </Notice>
  );
}

function titleOf(status: number, hasKey: boolean): string {
  switch (status) {
    case 0:
      return 'No answer';
    case 401:
      return hasKey ? 'The server does not take this key' : 'This server asks for a key';
    case 403:
      return 'This key may not see that';
    case 404:
      return 'There is nothing here';
    case 429:
    case 503:
      return 'The server is busy';
    default:
      return status < 500 ? 'That cannot be asked' : 'The server has failed';
  }
}
