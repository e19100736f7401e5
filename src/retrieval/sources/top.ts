/**
 * The pins with the greatest value of an attribute, a time or a number; unless one is named, the newest ones by the first time
 * that the index declares. What a person gets of whom nothing is known.
 */
import { checkRecord, fieldPath } from '../../index/shape.ts';
import { errorAt } from '../../lib/errors.ts';
import { LIMITS } from '../../lib/limits.ts';
import { greatestBy } from '../greatest.ts';
import { nothing, type OpenSource, type Source, type SourceContext, widestSearch } from './source.ts';

export const top: Source = (params, { path, config: { attributes }, code }) => {
  const { field } = checkRecord(params, ['field'], path, code);
  const named = field ?? Object.keys(attributes).find((name) => attributes[name] === 'time');
  if (named === undefined) return () => nothing;
  const type = typeof named === 'string' && Object.hasOwn(attributes, named) ? attributes[named] : undefined;
  if (type !== 'number' && type !== 'time')
    throw errorAt(code, fieldPath(path, 'field'), 'must be an attribute of type number or time');
  return (context) => openTop(context, named as string);
};

function openTop(context: SourceContext, field: string): OpenSource {
  const { filter, exclude, deadlineAtMs } = context.query;
  const most = Math.min(LIMITS.kMax, widestSearch(context));
  return async (wanted) => {
    const k = Math.min(wanted, most);
    const found = await greatestBy(context.index, { field, wanted: k, filter, exclude, deadlineAtMs });
    const candidates = found.map(({ id, value }) => ({ id, score: value }));
    const isShort = candidates.length < k;
    return [{ weight: 1, candidates, isEnd: isShort || k < wanted, isAll: isShort, searches: [] }];
  };
}
