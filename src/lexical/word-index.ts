/**
 * Words to pins by BM25 (Robertson and Walker, 1994), in SQLite's FTS5: an inverted index that is changed pin by pin, with
 * words stemmed as English (Porter, 1980), without case and accents. It lies in memory and keeps no text, so whoever changes
 * a pin's words brings those before: with its `contentless_delete` FTS5 would count pins that are gone for ever.
 *
 * FTS5 scores every pin that has any of the words, so common words cost most and tell least: its idf of a word that half of
 * the pins have is next to nothing. They are left out as long as the rarer words find enough, beginning with the most
 * common, where all of them together would be slow.
 */
import sqlite from 'node-sqlite3-wasm';
import { type KnownWord, NearWords } from './near-words.ts';

/** What becomes of a pin's words; empty where it has none. */
export interface WordChange {
  readonly id: string;
  /** As they were last given. */
  readonly before: string;
  readonly words: string;
}

/** A hit: larger scores are better; ties by id. */
export interface WordHit {
  readonly id: string;
  readonly score: number;
}

export interface WordSearch {
  readonly text: string;
  readonly k: number;
  /** Whether a pin may be a hit. */
  readonly accepts: (id: string) => boolean;
  readonly minScore: number;
  /** Whether it is time to answer with what there is. */
  readonly isLate: () => boolean;
}

export interface WordAnswer {
  readonly hits: WordHit[];
  /** Whether the search came to its end; it may have been late. */
  readonly isComplete: boolean;
  /** Fewer than k pins match, and all are hits. */
  readonly isExhausted: boolean;
}

/** A word of a query that pins have. */
interface Term {
  /** As a phrase of FTS5's query language. */
  readonly phrase: string;
  readonly pins: number;
}

const TOKENIZER = 'porter unicode61';
/** Pairs of word and pin that are scored without looking for some to leave out, and most that are where rarer words suffice. */
const POSTINGS_FEW = 20_000;
const POSTINGS_MAX = 200_000;
/** Words of a query that count, the rarest, and of those unknown that are looked for among the known. */
const TERMS_MAX = 64;
const UNKNOWN_MAX = 8;
/** Known words are read anew for misspelt ones when so large a share of the pins has changed since. */
const STALE_SHARE = 0.01;
/** Rows between looks at the clock. */
const ROWS_AT_ONCE = 64;
/** What FTS5's tokenizer takes for parts of words, marks among them. */
const WORD = /[\p{L}\p{N}\p{M}\p{Co}]+/gu;

export class WordIndex {
  readonly #database = new sqlite.Database(':memory:');
  readonly #put;
  readonly #remove;
  readonly #search;
  readonly #pinsOf;
  readonly #scratch;
  /** Documents by pin, and pins by document. */
  readonly #documents = new Map<string, number>();
  readonly #ids: string[] = [];
  /** Documents of no pin. */
  readonly #free: number[] = [];
  #near: NearWords | undefined;
  #changesSinceNear = 0;

  constructor() {
    const table = `fts5(words, content='', tokenize='${TOKENIZER}')`;
    this.#database.exec(`
      PRAGMA journal_mode = OFF;
      CREATE VIRTUAL TABLE pins USING ${table};
      CREATE VIRTUAL TABLE pin_words USING fts5vocab(pins, row);
      CREATE VIRTUAL TABLE query USING ${table};
      CREATE VIRTUAL TABLE query_words USING fts5vocab(query, instance);`);
    const prepare = (sql: string) => this.#database.prepare(sql);
    this.#put = prepare('INSERT INTO pins (rowid, words) VALUES (?, ?)');
    this.#remove = prepare("INSERT INTO pins (pins, rowid, words) VALUES ('delete', ?, ?)");
    this.#search = prepare('SELECT rowid AS document, rank FROM pins WHERE pins MATCH ? ORDER BY rank');
    this.#pinsOf = prepare('SELECT doc AS pins FROM pin_words WHERE term = ?');
    this.#scratch = {
      put: prepare('INSERT INTO query (rowid, words) VALUES (?, ?)'),
      read: prepare('SELECT doc AS word, term FROM query_words ORDER BY doc, offset'),
      clear: prepare("INSERT INTO query (query) VALUES ('delete-all')"),
    };
  }

  /** Pins with words. */
  get count(): number {
    return this.#documents.size;
  }

  has(id: string): boolean {
    return this.#documents.has(id);
  }

  /** Gives pins words in place of those that they had. */
  change(pins: Iterable<WordChange>): void {
    this.#database.exec('BEGIN');
    for (const { id, before, words } of pins) {
      if (words === before) continue;
      const document = this.#documents.get(id) ?? this.#free.pop() ?? this.#ids.length + 1;
      if (before !== '') this.#remove.run([document, plain(before)]);
      if (words !== '') {
        this.#put.run([document, plain(words)]);
        this.#documents.set(id, document);
        this.#ids[document - 1] = id;
      } else {
        this.#documents.delete(id);
        this.#free.push(document);
      }
      this.#changesSinceNear++;
    }
    this.#database.exec('COMMIT');
  }

  /**
   * The best k pins that have any of the words; a word that no pin has stands for those that it may have been meant for.
   */
  search(query: WordSearch): WordAnswer {
    const terms = this.#termsOf(query.text);
    const few = this.#rareTerms(terms);
    const found = this.#run(few, query);
    const isShort = found.hits.length < query.k && found.isComplete && few.length < terms.length;
    return isShort ? this.#run(terms, query) : found;
  }

  #run(terms: readonly Term[], { k, accepts, minScore, isLate }: WordSearch): WordAnswer {
    if (terms.length === 0) return { hits: [], isComplete: true, isExhausted: true };
    const hits: WordHit[] = [];
    const rows = this.#search.iterate([terms.map(({ phrase }) => phrase).join(' OR ')]);
    let seen = 0;
    let isExhausted = true;
    for (const row of rows as Iterable<{ document: number; rank: number }>) {
      const score = -row.rank;
      // Pins of the same score are ordered by their ids, so all of them are read
      if (score < minScore) break;
      if (hits.length >= k && score < hits[k - 1]!.score) {
        isExhausted = false;
        break;
      }
      if (seen++ % ROWS_AT_ONCE === 0 && isLate()) return { hits, isComplete: false, isExhausted: false };
      const id = this.#ids[row.document - 1]!;
      if (accepts(id)) hits.push({ id, score });
    }
    hits.sort((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1));
    if (hits.length >= k) isExhausted = false;
    return { hits: hits.slice(0, k), isComplete: true, isExhausted };
  }

  /** The terms to begin with: all, or where those are many pairs of word and pin, the rarer ones. */
  #rareTerms(terms: readonly Term[]): readonly Term[] {
    let postings = terms.reduce((sum, { pins }) => sum + pins, 0);
    if (postings <= POSTINGS_FEW) return terms;
    const rare = [...terms].sort((a, b) => a.pins - b.pins);
    while (rare.length > 1) {
      const { pins } = rare.at(-1)!;
      if (2 * pins < this.count && postings <= POSTINGS_MAX) break;
      rare.pop();
      postings -= pins;
    }
    return rare;
  }

  /** What a query asks for, in words that pins have; none twice. */
  #termsOf(text: string): Term[] {
    const words = [...new Set(plain(text).toLowerCase().match(WORD) ?? [])];
    const terms = new Map<string, Term>();
    let unknown = 0;
    for (const [i, stems] of this.#stem(words).entries()) {
      if (stems.length === 0) continue;
      const pins = Math.min(...stems.map((stem) => this.#count(stem)));
      if (pins > 0) terms.set(stems.join(' '), { phrase: `"${words[i]}"`, pins });
      else if (stems.length === 1 && unknown++ < UNKNOWN_MAX)
        for (const [word, term] of this.#nearTo(stems[0]!)) terms.set(word, term);
    }
    return [...terms.values()].sort((a, b) => a.pins - b.pins).slice(0, TERMS_MAX);
  }

  #nearTo(stem: string): (readonly [string, Term])[] {
    if (this.#near === undefined || this.#changesSinceNear > STALE_SHARE * this.count) {
      const known = this.#database.all('SELECT term AS word, doc AS pins FROM pin_words');
      this.#near = new NearWords(known as unknown as KnownWord[]);
      this.#changesSinceNear = 0;
    }
    const near = this.#near.of(stem);
    return this.#stem(near).flatMap((stems, i) => {
      const word = near[i]!;
      const pins = this.#count(word);
      // A stem that would be stemmed once more cannot be asked for
      return pins > 0 && stems[0] === word ? [[word, { phrase: `"${word}"`, pins }] as const] : [];
    });
  }

  /** The words as the index holds them: mostly one stem each, none or several where FTS5 sees words otherwise. */
  #stem(words: readonly string[]): string[][] {
    const stems: string[][] = words.map(() => []);
    if (words.length === 0) return stems;
    this.#database.exec('BEGIN');
    for (const [i, word] of words.entries()) this.#scratch.put.run([i + 1, word]);
    this.#database.exec('COMMIT');
    for (const { word, term } of this.#scratch.read.all() as unknown as { word: number; term: string }[]) {
      stems[word - 1]!.push(term);
    }
    this.#scratch.clear.run();
    return stems;
  }

  #count(stem: string): number {
    return (this.#pinsOf.get([stem])?.pins as number | undefined) ?? 0;
  }

  close(): void {
    for (const statement of [this.#put, this.#remove, this.#search, this.#pinsOf]) statement.finalize();
    for (const statement of Object.values(this.#scratch)) statement.finalize();
    this.#database.close();
  }
}

/** What FTS5 would stop at is a blank. */
function plain(text: string): string {
  return text.replaceAll('\0', ' ');
}
