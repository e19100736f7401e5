/** The key that the visitor gave, where the server asks for one: this tab's, and gone with it. */
import { useCallback, useState } from 'preact/hooks';

const KEY = 'nearpin.key';

export function useKey(): [string | undefined, (key: string | undefined) => void] {
  const [key, setKey] = useState(read);
  const change = useCallback((next: string | undefined) => {
    try {
      if (next === undefined) sessionStorage.removeItem(KEY);
      else sessionStorage.setItem(KEY, next);
    } catch {
      // Where nothing may be kept, it lasts until the page is loaded again
    }
    setKey(next);
  }, []);
  return [key, change];
}

function read(): string | undefined {
  try {
    return sessionStorage.getItem(KEY) ?? undefined;
  } catch {
    return undefined;
  }
}
