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
function relatedTo(artwork: Artwork, bySubject: ReadonlyMap<string, readonly Artwork[]>) {
  const shared = new Map<Artwork, number>();
  for (const subject of artwork.subjects) {
    for (const other of bySubject.get(subject)!) {
      if (other !== artwork) shared.set(other, (shared.get(other) ?? 0) + 1);
    }
  }
  return [...shared].flatMap(([{ id, subjects }, count]) => {
    const overlap = count / (artwork.subjects.size + subjects.size - count);
    return overlap >= OVERLAP_MIN ? [[id, Number(overlap.toFixed(3))] as const] : [];
  });
}

/**
 * Pins, cases and, as interactions, the artworks of each subject: counted, they say how popular an artwork is with
 * subjects. Item-kNN of these knows the grades and is no baseline.
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
  function* cases() {
    for (const artwork of draw(artworks.filter(({ subjects }) => subjects.size > 0))) {
      const relevant = relatedTo(artwork, bySubject);
      if (relevant.length === 0) continue;
      yield JSON.stringify({ request: { pins: [artwork.id] }, relevant: Object.fromEntries(relevant) });
    }
  }
  return {
    'pins.jsonl': artworks.map(({ pin }) => JSON.stringify(pin)),
    'interactions.txt': [...bySubject].map(([subject, own]) =>
      [subject.split(':')[0], ...own.map(({ id }) => id)].join(' '),
    ),
    'related.jsonl': cases(),
  };
}
