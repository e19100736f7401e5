/** What lexical search finds a pin by. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { wordsOf } from '../../src/index/words.ts';

describe('the words of a pin', () => {
  const cases: [string, string | undefined, unknown, string][] = [
    ['are its text', 'brass lamp', undefined, 'brass lamp'],
    [
      'are title, text and description of its payload, in that order',
      undefined,
      { description: 'c', title: 'a', text: 'b', note: 'd' },
      'a\nb\nc',
    ],
    ['are both', 'brass lamp', { title: 'Sage' }, 'brass lamp\nSage'],
    ['count once where they are the same', 'brass lamp', { title: 'brass lamp', text: 'lamp' }, 'brass lamp'],
    ['count where they are only part of a word', 'lampshade', { title: 'lamp' }, 'lampshade\nlamp'],
    [
      'are none where the payload says something else',
      undefined,
      { title: 5, text: null, description: [] },
      '',
    ],
    ['are none of a payload that is no object', undefined, 'title', ''],
    ['are none of a list', undefined, ['title'], ''],
    ['are none without text and payload', undefined, undefined, ''],
  ];
  for (const [name, text, payload, words] of cases) {
    test(name, () => assert.equal(wordsOf(text, payload), words));
  }
});
