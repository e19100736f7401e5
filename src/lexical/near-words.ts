/**
 * The words of an index that a misspelt word may stand for: those that begin with it, or are least edits away (Damerau,
 * 1964: a letter too many, too few, another one, or two that changed places; each pair once, "optimal string alignment").
 */

/** A word as the index holds it, and how many pins have it. */
export interface KnownWord {
  readonly word: string;
  readonly pins: number;
}

/** Fewer letters than this tell nothing of what was meant. */
const LETTERS_MIN = 3;
/** From so many letters on, two edits are still nearer to what was meant than to other words. */
const LETTERS_OF_TWO_EDITS = 6;
/** From so many letters on, a beginning is one. */
const PREFIX_LETTERS_MIN = 4;
const FEW = 3;
const DIGIT = /\p{N}/u;

export class NearWords {
  readonly #byLength: { readonly known: KnownWord; readonly letters: number }[][] = [];

  constructor(words: Iterable<KnownWord>) {
    for (const known of words) {
      const { length } = known.word;
      this.#byLength[length] ??= [];
      this.#byLength[length].push({ known, letters: lettersOf(known.word) });
    }
  }

  /** The few words that a word is most likely to stand for, the likeliest first; numbers stand for themselves. */
  of(word: string): string[] {
    if (word.length < LETTERS_MIN || DIGIT.test(word)) return [];
    const most = word.length < LETTERS_OF_TWO_EDITS ? 1 : 2;
    const letters = lettersOf(word);
    const found: { readonly edits: number; readonly known: KnownWord }[] = [];
    for (const [length, words] of this.#byLength.entries()) {
      if (words === undefined || length < word.length - most) continue;
      const isNear = length <= word.length + most;
      const isLonger = length > word.length && word.length >= PREFIX_LETTERS_MIN;
      if (!isNear && !isLonger) continue;
      for (const { known, letters: others } of words) {
        // Each edit changes at most two letters of the sets
        const edits =
          isNear && ones(letters ^ others) <= 2 * most ? editsBetween(word, known.word, most) : most + 1;
        if (edits <= most) found.push({ edits, known });
        else if (isLonger && known.word.startsWith(word)) found.push({ edits: 1, known });
      }
    }
    const least = found.reduce((min, { edits }) => Math.min(min, edits), most);
    return found
      .filter(({ edits }) => edits === least)
      .sort((a, b) => b.known.pins - a.known.pins || (a.known.word < b.known.word ? -1 : 1))
      .slice(0, FEW)
      .map(({ known }) => known.word);
  }
}

/** The set of a word's letters, each by its code modulo 32. */
function lettersOf(word: string): number {
  let letters = 0;
  for (let i = 0; i < word.length; i++) letters |= 1 << (word.charCodeAt(i) & 31);
  return letters;
}

function ones(bits: number): number {
  let count = 0;
  for (let left = bits; left !== 0; left &= left - 1) count++;
  return count;
}

/** Edits that make one word of the other; any number over `most` where they are more. */
export function editsBetween(a: string, b: string, most: number): number {
  if (Math.abs(a.length - b.length) > most) return most + 1;
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    let least = i;
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1];
      let edits = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (isSame ? 0 : 1));
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (isSwap) edits = Math.min(edits, before[j - 2]! + 1);
      row.push(edits);
      least = Math.min(least, edits);
    }
    // A swap may still come from the row before
    if (least > most && Math.min(...last) > most) return most + 1;
    before = last;
    last = row;
  }
  return last[b.length]!;
}
