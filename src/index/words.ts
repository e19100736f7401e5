/** The words of a pin: what lexical search finds it by. */
import { isRecord } from './shape.ts';

/** Fields of a payload that hold words, where they hold a string. */
const WORD_FIELDS = ['title', 'text', 'description'] as const;
const PART_OF_WORD = /[\p{L}\p{N}\p{M}]/u;

/**
 * The text that a pin was made of, and `title`, `text` and `description` of its payload where those are strings, a line
 * each; one that stands in those before counts once. Empty when the pin has no words.
 */
export function wordsOf(text: string | undefined, payload: unknown): string {
  if (!isRecord(payload)) return text ?? '';
  let words = text ?? '';
  for (const field of WORD_FIELDS) {
    const value = payload[field];
    if (typeof value !== 'string' || value === '' || standsIn(words, value)) continue;
    words = words === '' ? value : `${words}\n${value}`;
  }
  return words;
}

/** Whether one text stands in another, first and last word whole. */
function standsIn(words: string, value: string): boolean {
  const at = words.indexOf(value);
  if (at === -1) return false;
  const isPart = (place: number) => PART_OF_WORD.test(words.charAt(place));
  return !isPart(at - 1) && !isPart(at + value.length);
}
