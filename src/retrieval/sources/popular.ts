/**
 * The pins that most people saved, by a number that the index keeps of each: the attribute that is named, or else `saves` or
 * `popularity` where the index declares one. What a person gets of whom nothing is known.
 */
import { checkRecord } from '../../index/shape.ts';
import { nothing, type Source } from './source.ts';
import { top } from './top.ts';

/** Attributes that say how popular a pin is, where nobody names one. */
const FIELDS = ['saves', 'popularity'] as const;

export const popular: Source = (params, place) => {
  const { field } = checkRecord(params, ['field'], place.path, place.code);
  const named = field ?? FIELDS.find((name) => place.config.attributes[name] === 'number');
  return named === undefined ? () => nothing : top({ field: named }, place);
};
