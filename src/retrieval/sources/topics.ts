/** Pins near the topics that a person follows: each a vector, and what its pins must be beside near to it. */
import { checkRecord } from '../../index/shape.ts';
import { nothing, type Source, searchNear, shareOf } from './source.ts';

export const topics: Source = (params, { path, code }) => {
  checkRecord(params, [], path, code);
  return (context) => {
    const { query, input } = context;
    const { topics = [] } = input;
    if (topics.length === 0) return nothing;
    const total = topics.reduce((sum, { weight }) => sum + weight, 0);
    return (wanted) =>
      Promise.all(
        topics.map(({ name, vector, filter, weight }) => {
          const filters = [query.filter ?? [], filter ?? []].flat();
          const own = {
            ...context,
            query: { ...query, filter: filters.length > 1 ? { $and: filters } : filters[0] },
          };
          return searchNear(own, vector, shareOf(wanted, weight / total), { part: name, weight });
        }),
      );
  };
};
