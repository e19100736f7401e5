/**
 * Tate's artworks: what they are called and made of is the text of a pin; what they show, the subjects that indexers
 * gave them, says how related two of them are and is no part of the text. The grade is Jaccard's overlap of the subjects.
 */
import type { CaseFiles, Draw, ReadLines } from '../cases.ts';

interface Artwork {
  readonly id: string;
  readonly subjects: ReadonlySet<string>;
  readonly pin: object;
}

/** Overlap from which two artworks count as related. Below, it is mostly one of the few subjects that thousands have. */
const OVERLAP_MIN = 0.25;

function parseArtwork(line: string): Artwork {
  const { id, title, artists, medium, date, classification, subjects } = JSON.parse(line);
  return {
    id: String(id),
    // The last part of a path is the subject itself; what is before it, how it is sorted
    subjects: new Set((subjects as string[][]).map((path) => path.at(-1)!)),
    pin: {
      id: String(id),
      text: [title, artists, medium, date].filter(Boolean).join('. '),
      attributes: { ...(artists && { artist: artists }), ...(classification && { classification }) },
      payload: { title, artists },
    },
  };
}

/** Grades of all others that are related to an artwork. */
function relatedTo(
  artwork: Artwork,
  bySubject: ReadonlyMap<string, readonly Artwork[]>,
): Map<string, number> {
  const shared = new Map<Artwork, number>();
  for (const subject of artwork.subjects) {
    for (const other of bySubject.get(subject)!) {
      if (other !== artwork) shared.set(other, (shared.get(other) ?? 0) + 1);
    }
  }
  const grades = new Map<string, number>();
  for (const [{ id, subjects }, count] of shared) {
    const overlap = count / (artwork.subjects.size + subjects.size - count);
    if (overlap >= OVERLAP_MIN) grades.set(id, Number(overlap.toFixed(3)));
  }
  return grades;
}

/** Artworks that are no case, whose related ones say what is popular. */
const OTHERS_MAX = 2000;

/**
 * Pins and cases and, as interactions, the artworks that are related to each of some that are no case: what is wanted
 * often, whoever asks. Where all are cases there are none.
 */
export function tateFiles(read: ReadLines, draw: Draw): CaseFiles {
  const artworks = read('tate_artworks.jsonl.gz').map(parseArtwork);
  const bySubject = new Map<string, Artwork[]>();
  for (const artwork of artworks) {
    for (const subject of artwork.subjects) {
      const own = bySubject.get(subject);
      if (own) own.push(artwork);
      else bySubject.set(subject, [artwork]);
    }
  }
  const cases = draw(artworks.filter(({ subjects }) => subjects.size > 0));
  const taken = new Set(cases);
  const others = artworks.filter((artwork) => artwork.subjects.size > 0 && !taken.has(artwork));
  const step = Math.ceil(others.length / OTHERS_MAX);
  return {
    'pins.jsonl': artworks.map(({ pin }) => JSON.stringify(pin)),
    'interactions.txt': linesOf(
      others.filter((_, i) => i % step === 0),
      bySubject,
      (id, relevant) => [id, ...relevant.keys()].join(' '),
    ),
    'related.jsonl': linesOf(cases, bySubject, (id, relevant) =>
      JSON.stringify({ request: { pins: [id] }, relevant: Object.fromEntries(relevant) }),
    ),
  };
}

/** A line for each artwork that anything is related to. */
function* linesOf(
  artworks: readonly Artwork[],
  bySubject: ReadonlyMap<string, readonly Artwork[]>,
  line: (id: string, relevant: ReadonlyMap<string, number>) => string,
): Generator<string> {
  for (const artwork of artworks) {
    const relevant = relatedTo(artwork, bySubject);
    if (relevant.size > 0) yield line(artwork.id, relevant);
  }
}
