/** Pins that were saved on this page: kept by this browser, told to the server only to ask for a home feed. */
import { useCallback, useState } from 'preact/hooks';
import type { Saved } from './ask.ts';

/** The oldest are forgotten. */
const SAVED_MAX = 200;

const keyOf = (index: string): string => `nearpin.saved.${index}`;

/** What is saved of an index, the latest last, and what saves a pin or takes it out again. */
export function useSaved(index: string): [readonly Saved[], (id: string) => void] {
  const [saved, setSaved] = useState(() => read(index));
  const toggle = useCallback(
    (id: string) => {
      const without = saved.filter((pin) => pin.id !== id);
      const isNew = without.length === saved.length;
      const after = isNew ? [...without, { id, at: Date.now() }].slice(-SAVED_MAX) : without;
      keep(index, after);
      setSaved(after);
    },
    [index, saved],
  );
  return [saved, toggle];
}

function keep(index: string, saved: readonly Saved[]): void {
  try {
    localStorage.setItem(keyOf(index), JSON.stringify(saved));
  } catch {
    // Where nothing may be kept, it lasts for as long as the page is open
  }
}

function read(index: string): readonly Saved[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(keyOf(index)) ?? '[]');
    return Array.isArray(kept) ? kept.filter(isSaved).slice(-SAVED_MAX) : [];
  } catch {
    return [];
  }
}

function isSaved(value: unknown): value is Saved {
  const { id, at } = Object(value) as Partial<Saved>;
  return typeof id === 'string' && id !== '' && typeof at === 'number';
}
