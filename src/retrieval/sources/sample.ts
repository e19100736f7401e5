/** Pins drawn by the request's seed: what is left to show where nothing is known, neither of the person nor of the pins. */
import { matches, parseFilter } from '../../index/filter.ts';
import { checkRecord } from '../../index/shape.ts';
import { LIMITS } from '../../lib/limits.ts';
import type { Source } from './source.ts';

export const sample: Source = (params, { path, code }) => {
  checkRecord(params, [], path, code);
  return ({ index: { engine }, query: { filter, exclude }, seed }) => {
    const node = filter === undefined ? undefined : parseFilter(filter, engine.config.attributes);
    const excluded = new Set(exclude);
    return async (wanted) => {
      const count = Math.min(wanted, LIMITS.recallSamplesMax);
      const drawn = await engine.sample(count, seed);
      const pins = node && (await engine.pins(drawn, { attributes: true }));
      const fit = drawn.filter((id, i) => {
        const attributes = pins?.[i]?.attributes;
        return (
          !excluded.has(id) && (node === undefined || (attributes !== undefined && matches(node, attributes)))
        );
      });
      return [
        {
          weight: 1,
          // No score tells them apart, and ties go by id
          candidates: fit.sort().map((id) => ({ id, score: 0 })),
          isEnd: drawn.length < wanted,
          isAll: drawn.length < count,
          searches: [],
        },
      ];
    };
  };
};
