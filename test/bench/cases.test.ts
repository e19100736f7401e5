/** Data sets as cases: what is history, what is hidden, and what grades are. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { multi30kFiles } from '../../bench/cases/multi30k.ts';
import { pinterestFiles } from '../../bench/cases/pinterest.ts';
import { tateFiles } from '../../bench/cases/tate.ts';
import type { CaseFiles } from '../../bench/cases.ts';

const all = <T>(items: readonly T[]) => items;
const linesOf = (files: CaseFiles, name: string) => [...files[name]!];
const jsonOf = (files: CaseFiles, name: string) => linesOf(files, name).map((line) => JSON.parse(line));

test('what a user has in both parts is history and not hidden, repeats count once, and a user with nothing hidden has no case', () => {
  const parts: Record<string, string[]> = {
    'train.txt.gz': ['0 7 8 7', '1 9', '2 7'],
    'test.txt.gz': ['0 8 5 5', '1 9', '2 4 6'],
  };
  const files = pinterestFiles((name) => parts[name]!, all);
  assert.deepEqual(linesOf(files, 'interactions.txt'), ['0 7 8', '1 9', '2 7']);
  assert.deepEqual(jsonOf(files, 'homefeed.jsonl'), [
    { request: { history: [{ id: '7' }, { id: '8' }] }, relevant: ['5'], user: '0' },
    { request: { history: [{ id: '7' }] }, relevant: ['4', '6'], user: '2' },
  ]);
  assert.deepEqual(jsonOf(files, 'related.jsonl')[0].request, { pins: ['7', '8'] });
});

test('four captions are the pin, and the fifth asks for it', () => {
  const files = multi30kFiles((name) => [`of ${name.slice(0, -6)}`], all);
  assert.deepEqual(jsonOf(files, 'pins.jsonl')[1], {
    id: 'val-0',
    text: 'of val.1 of val.2 of val.3 of val.4',
    payload: { title: 'of val.1' },
  });
  assert.deepEqual(jsonOf(files, 'search.jsonl')[1], {
    request: { text: 'of val.5', mode: 'hybrid' },
    relevant: ['val-0'],
  });
});

test('artworks are graded by the overlap of their subjects, which are not in the text', () => {
  const artwork = (id: number, title: string, ...subjects: string[]) =>
    JSON.stringify({
      id,
      title,
      artists: 'A',
      medium: 'Oil',
      date: '',
      subjects: subjects.map((one) => ['1:kinds', one]),
    });
  const lines = [
    artwork(1, 'One', '5:hill', '6:man'),
    artwork(2, 'Two', '5:hill', '6:man', '7:sea', '8:boat'),
    artwork(3, 'Three', '6:man', '7:sea', '8:boat', '9:sky'),
    artwork(4, 'Four'),
  ];
  const files = tateFiles(() => lines, all);
  // Three shares one of five subjects with One, which is too few
  assert.deepEqual(jsonOf(files, 'related.jsonl'), [
    { request: { pins: ['1'] }, relevant: { 2: 0.5 } },
    { request: { pins: ['2'] }, relevant: { 1: 0.5, 3: 0.6 } },
    { request: { pins: ['3'] }, relevant: { 2: 0.6 } },
  ]);
  assert.deepEqual(jsonOf(files, 'pins.jsonl')[0], {
    id: '1',
    text: 'One. A. Oil',
    attributes: { artist: 'A' },
    payload: { title: 'One', artists: 'A' },
  });
  assert.deepEqual(linesOf(files, 'interactions.txt'), [], 'all are cases');
  const some = tateFiles(
    () => lines,
    (items) => items.slice(0, 1),
  );
  assert.equal(linesOf(some, 'related.jsonl').length, 1);
  assert.deepEqual(linesOf(some, 'interactions.txt'), ['2 1 3', '3 2']);
});
