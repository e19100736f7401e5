/**
 * Multi30k (Elliott et al., 2016): five captions of each photograph, file n having the n-th of each. The first four are
 * the text of a pin, the fifth is what somebody asks who looks for it.
 */
import type { CaseFiles, Draw, ReadLines } from '../cases.ts';

const SPLITS = ['train', 'val', 'test_2016'];

export function multi30kFiles(read: ReadLines, draw: Draw): CaseFiles {
  const photographs = SPLITS.flatMap((split) => {
    const [query, ...captions] = [5, 1, 2, 3, 4].map((n) => read(`${split}.${n}.en.gz`));
    return query!.map((text, line) => ({
      id: `${split}-${line}`,
      captions: captions.map((own) => own[line]!.trim()),
      query: text.trim(),
    }));
  });
  return {
    'pins.jsonl': photographs.map(({ id, captions }) =>
      JSON.stringify({ id, text: captions.join(' '), payload: { title: captions[0] } }),
    ),
    'search.jsonl': draw(photographs).map(({ id, query }) =>
      JSON.stringify({ request: { text: query, mode: 'hybrid' }, relevant: [id] }),
    ),
  };
}
