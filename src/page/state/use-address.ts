/**
 * The address bar as state: links that begin with a question mark change it without a load, and going back returns to the
 * place on the page, and to the link, that one left from.
 */
import { useCallback, useEffect, useLayoutEffect, useState } from 'preact/hooks';
import { type Address, readAddress, writeAddress } from './address.ts';

/** Where one was when one left a state. */
interface Place {
  readonly scrollY: number;
  /** Id of the element that had the focus. */
  readonly focused: string;
}

export interface Visit {
  readonly address: Address;
  /** How it was come to: by loading the page, by a link, back or forth, or by a change of settings on the spot. */
  readonly by: 'load' | 'link' | 'history' | 'change';
  readonly place?: Place | undefined;
}

/** `push` makes a step to go back by, `replace` changes the one that is shown. */
export type Go = (address: Address, how?: 'push' | 'replace') => void;

export function useAddress(): [Visit, Go] {
  const [visit, setVisit] = useState<Visit>({ address: readAddress(location.search), by: 'load' });

  const go = useCallback<Go>((address, how = 'push') => {
    if (how === 'push') leave();
    history[how === 'push' ? 'pushState' : 'replaceState'](null, '', writeAddress(address));
    setVisit({ address, by: how === 'push' ? 'link' : 'change' });
  }, []);

  useEffect(() => {
    history.scrollRestoration = 'manual';
    const back = ({ state }: PopStateEvent) =>
      setVisit({ address: readAddress(location.search), by: 'history', place: state as Place | undefined });
    const click = (event: MouseEvent) => {
      const link = (event.target as Element).closest?.('a[href^="?"]');
      const isPlain =
        event.button === 0 && !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey);
      if (link === null || !isPlain || event.defaultPrevented) return;
      event.preventDefault();
      go(readAddress(link.getAttribute('href')!));
    };
    addEventListener('popstate', back);
    document.addEventListener('click', click);
    return () => {
      removeEventListener('popstate', back);
      document.removeEventListener('click', click);
    };
  }, [go]);
  return [visit, go];
}

/**
 * Puts reader and scroll where a visit belongs once what it shows is there: on the heading of a new one, where one was
 * on the way back, and nowhere else after a load or a change of settings.
 */
export function useArrival(visit: Visit, isShown: boolean): void {
  useLayoutEffect(() => {
    if (!isShown || visit.by === 'load' || visit.by === 'change') return;
    const former = visit.place?.focused ? document.getElementById(visit.place.focused) : null;
    (former ?? document.getElementById('heading'))?.focus({ preventScroll: true });
    scrollTo(0, visit.place?.scrollY ?? 0);
  }, [visit, isShown]);
}

/** Notes in the history where one is, before one goes. */
function leave(): void {
  const place: Place = { scrollY, focused: document.activeElement?.id ?? '' };
  history.replaceState(place, '');
}
