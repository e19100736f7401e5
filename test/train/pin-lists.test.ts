/** What training reads: numbers in the order of meeting, and which lists count. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { collectPinLists } from '../../src/train/pin-lists.ts';
import { rejects } from '../lib/refuses.ts';

async function* listsOf(...lists: string[][]) {
  yield* lists;
}

test('pins are numbered as they come, and users of a single pin are left out with it', async () => {
  let read = 0;
  const lists = await collectPinLists(listsOf(['b', 'a'], ['lonely'], [], ['a', 'ü', 'b']), (n) => {
    read = n;
  });
  assert.deepEqual(lists.ids, ['b', 'a', 'ü']);
  assert.deepEqual([...lists.starts], [0, 2, 5]);
  assert.deepEqual([...lists.pins], [0, 1, 1, 2, 0]);
  assert.equal(lists.singles, 1);
  assert.equal(read, 4);
  assert.ok(lists.pins.buffer instanceof SharedArrayBuffer);
});

test('more lists and pins than an array starts with', async () => {
  const many = Array.from({ length: 3000 }, (_, i) => [`p${i}`, `p${i + 1}`]);
  const lists = await collectPinLists(listsOf(...many), () => {});
  assert.equal(lists.ids.length, 3001);
  assert.equal(lists.starts.length, 3001);
  assert.deepEqual([...lists.pins.slice(-2)], [2999, 3000]);
});

test('nothing, or nobody with two pins, is refused', async () => {
  await rejects(
    collectPinLists(listsOf(), () => {}),
    'bad_file',
  );
  await rejects(
    collectPinLists(listsOf(['a'], ['b']), () => {}),
    'bad_file',
  );
});
