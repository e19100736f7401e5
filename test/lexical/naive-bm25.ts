/**
 * BM25 as its formula stands, over texts of words that no stemmer changes: the twin that the index of words is held against.
 * k1, b and the floor under the idf are those of SQLite's FTS5.
 */
const K1 = 1.2;
const B = 0.75;
const IDF_MIN = 1e-6;

/** Every pin that has any of the words, the best first. */
export function naiveBm25(pins: ReadonlyMap<string, string>, query: string): { id: string; score: number }[] {
  const documents = [...pins].map(([id, text]) => ({
    id,
    words: text.split(/\s+/).filter((word) => word !== ''),
  }));
  const withWords = documents.filter(({ words }) => words.length > 0);
  const mean = withWords.reduce((sum, { words }) => sum + words.length, 0) / withWords.length;
  const terms = [...new Set(query.split(/\s+/))].map((term) => ({
    term,
    having: withWords.filter(({ words }) => words.includes(term)).length,
  }));
  return withWords
    .flatMap(({ id, words }) => {
      let score = 0;
      let isHit = false;
      for (const { term, having } of terms) {
        const times = words.filter((word) => word === term).length;
        if (times === 0) continue;
        isHit = true;
        const idf = Math.log((withWords.length - having + 0.5) / (having + 0.5));
        score +=
          (Math.max(idf, IDF_MIN) * times * (K1 + 1)) / (times + K1 * (1 - B + (B * words.length) / mean));
      }
      return isHit ? [{ id, score }] : [];
    })
    .sort((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1));
}
