/**
 * Pinterest's user-pin interactions (Geng et al., 2015) in two files: a line has a user, then pins. What a user has in
 * the training part is the history; what stands in the test part alone is hidden.
 */
import { LIMITS } from '../../src/lib/limits.ts';
import type { CaseFiles, Draw, ReadLines } from '../cases.ts';

/** Pins by user, none twice. */
function pinsByUser(lines: readonly string[]): Map<string, Set<string>> {
  const pins = new Map<string, Set<string>>();
  for (const line of lines) {
    const [user, ...own] = line.trim().split(/\s+/);
    const known = pins.get(user!) ?? new Set();
    for (const pin of own) known.add(pin);
    pins.set(user!, known);
  }
  return pins;
}

/** Histories as interactions, and a case per user with anything hidden: for Homefeed, and for Related Pins. */
export function pinterestFiles(read: ReadLines, draw: Draw): CaseFiles {
  const histories = pinsByUser(read('train.txt.gz'));
  const cases = [...pinsByUser(read('test.txt.gz'))].flatMap(([user, pins]) => {
    const history = histories.get(user);
    const relevant = [...pins].filter((pin) => history?.has(pin) === false);
    return history === undefined || relevant.length === 0 ? [] : [{ user, history: [...history], relevant }];
  });
  const drawn = draw(cases);
  return {
    'interactions.txt': [...histories].map(([user, pins]) => [user, ...pins].join(' ')),
    'homefeed.jsonl': drawn.map(({ user, history, relevant }) =>
      JSON.stringify({ request: { history: history.map((id) => ({ id })) }, relevant, user }),
    ),
    'related.jsonl': drawn.map(({ user, history, relevant }) =>
      JSON.stringify({ request: { pins: history.slice(-LIMITS.seedsMax) }, relevant, user }),
    ),
  };
}
