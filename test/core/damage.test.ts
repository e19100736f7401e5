import assert from 'node:assert/strict';
import test, { describe } from 'node:test';
import { Worker } from 'node:worker_threads';
import { LAYOUT as L } from '../../src/core/layout.ts';
import { Inside, shardToDamage } from './damage.ts';

const LINK = 'a link leads to no ordinal';
const SELF = 'a node links to itself';
const DUPLICATE = 'a node links twice to another';
const DANGLING = 'a link leads to a free slot';
const ENTRY = 'the entry point is not a live node of the highest level';
const UNREACHABLE = 'a node cannot be reached';
const LEVEL = 'a node lacks the level on which it is linked';
const COUNT = 'the counts contradict the nodes';
const REFERENCE = 'a record lies outside the heap';

describe('validate', () => {
  const { memory, writer } = shardToDamage();
  const inside = new Inside(memory);
  const { header } = inside;
  const count = inside.word(L.H_COUNT);
  const live = inside.ordinals((i) => inside.status(i) === L.NODE_LIVE);
  const free = inside.ordinals((i) => inside.status(i) === L.NODE_FREE);
  const whole = new Uint8Array(memory.buffer).slice();
  const word = (ordinal: number, field: number, value: number) =>
    inside.node(ordinal).setUint32(field, value, true);
  const byte = (ordinal: number, field: number, value: number) => inside.node(ordinal).setUint8(field, value);

  /** Pins for each kind of damage: with a parent, with a list that is not full, with a level above 0. */
  const child = live.find((i) => inside.parent(i) !== L.NP_NONE && inside.links(i)[2] !== 0)!;
  const parent = inside.parent(child);
  const root = live.find((i) => inside.parent(i) === L.NP_NONE)!;
  const upper = live.find((i) => inside.level(i) > 0 && i !== inside.word(L.H_ENTRY))!;
  const low = live.find((i) => inside.level(i) === 0)!;
  const pending = inside.word(L.H_PENDING);
  const limbo = inside.word(L.H_LIMBO_NEW);
  const upperList = () => inside.record(inside.node(upper).getUint32(L.NODE_RECORD, true), 4);

  function unlink(owner: number, target: number): void {
    const rest = [...inside.links(owner)].filter((link) => link !== target + 1);
    inside.links(owner).fill(0);
    inside.links(owner).set(rest);
  }

  test('has a shard with all kinds of slots before it', () => {
    for (const ordinal of [child, parent, root, upper, low, free[0]]) assert.ok(ordinal !== undefined);
    for (const head of [pending, limbo]) assert.notEqual(head, L.NP_NONE);
    assert.equal(writer.validate(), undefined);
  });

  const kinds: [what: string, invariant: string, damage: () => void, at?: () => number][] = [
    ['a link over the count', LINK, () => (inside.links(child)[0] = count + 1), () => child],
    ['a link far over the count', LINK, () => (inside.links(child)[0] = 0xffffffff), () => child],
    ['a link above level 0 over the count', LINK, () => (upperList()[0] = count + 1), () => upper],
    ['a link to itself', SELF, () => (inside.links(child)[0] = child + 1), () => child],
    ['a link twice', DUPLICATE, () => (inside.links(child)[1] = inside.links(child)[0]!), () => child],
    ['a link to a free slot', DANGLING, () => (inside.links(child)[0] = free[0]! + 1), () => child],
    [
      'a link to a slot that only waits for readers',
      DANGLING,
      () => (inside.links(child)[0] = pending + 1),
      () => child,
    ],
    ['a live node marked as free', DANGLING, () => byte(low, L.NODE_STATUS, L.NODE_FREE)],
    ['an entry point of a lower level', ENTRY, () => (header[L.H_ENTRY] = low), () => low],
    ['an entry point that was removed', ENTRY, () => (header[L.H_ENTRY] = limbo), () => limbo],
    ['no entry point', ENTRY, () => (header[L.H_ENTRY] = L.NP_NONE)],
    ['another highest level', ENTRY, () => header[L.H_MAX_LEVEL]!++],
    ['a parent without a link to its child', UNREACHABLE, () => unlink(parent, child)],
    ['a child without a link to its parent', UNREACHABLE, () => unlink(child, parent), () => child],
    ['a parent out of range', UNREACHABLE, () => word(child, L.NODE_PARENT, count), () => child],
    ['a parent that was removed', UNREACHABLE, () => word(child, L.NODE_PARENT, limbo), () => child],
    [
      'a second root',
      UNREACHABLE,
      () => {
        word(child, L.NODE_PARENT, L.NP_NONE);
        byte(parent, L.NODE_CHILDREN, inside.node(parent).getUint8(L.NODE_CHILDREN) - 1);
      },
    ],
    ['a wrong number of children', UNREACHABLE, () => byte(root, L.NODE_CHILDREN, 0), () => root],
    [
      'parents in a circle',
      UNREACHABLE,
      () => {
        const first = live.find((i) => inside.parent(i) === root)!;
        word(root, L.NODE_PARENT, first);
        byte(first, L.NODE_CHILDREN, inside.node(first).getUint8(L.NODE_CHILDREN) + 1);
      },
    ],
    ['a level that cannot be', LEVEL, () => byte(low, L.NODE_LEVEL, 16), () => low],
    ['a link on a level that the target lacks', LEVEL, () => (upperList()[0] = low + 1), () => upper],
    ['one live pin too many', COUNT, () => header[L.H_LIVE]!++],
    ['one live pin too few', COUNT, () => header[L.H_LIVE]!--],
    ['more ordinals than slots', COUNT, () => (header[L.H_COUNT] = 0xffffffff)],
    ['more blocks than memory', COUNT, () => (header[L.H_BLOCKS] = 0xfffffff)],
    ['a status that cannot be', COUNT, () => byte(low, L.NODE_STATUS, 3), () => low],
    ['a live slot in the list of free ones', COUNT, () => (header[L.H_FREE] = low), () => low],
    ['lost free slots', COUNT, () => (header[L.H_FREE] = L.NP_NONE)],
    ['lost pending slots', COUNT, () => (header[L.H_PENDING] = L.NP_NONE)],
    ['a circle of free slots', COUNT, () => word(free[0]!, L.NODE_PARENT, free[0]!)],
    ['a slot in two lists', COUNT, () => (header[L.H_LIMBO_SWEPT] = limbo), () => limbo],
    ['an id without a record', REFERENCE, () => word(low, L.NODE_RECORD, 0), () => low],
    ['an id beyond the blocks', REFERENCE, () => word(low, L.NODE_RECORD, 0xfffffff0), () => low],
    ['an id among the codes', REFERENCE, () => word(low, L.NODE_RECORD, 64), () => low],
    [
      'an id off the grain',
      REFERENCE,
      () => word(low, L.NODE_RECORD, inside.node(child).getUint32(L.NODE_RECORD, true) + 4),
    ],
    ['upper levels beyond the blocks', REFERENCE, () => word(upper, L.NODE_RECORD, 0x7fffff00), () => upper],
    [
      'a list beyond the blocks',
      REFERENCE,
      () => writer.cells(low, 8).setUint32(0, 0xfffffff0, true),
      () => low,
    ],
    [
      'a list longer than any',
      REFERENCE,
      () => (inside.record(writer.row(low).getUint32(8, true), 1)[0] = 0x10000000),
      () => low,
    ],
    ['a freed record beyond the blocks', REFERENCE, () => (header[L.H_HEAP_FREE + 1] = 0xfffffff0)],
    [
      'freed records in a circle',
      REFERENCE,
      () => {
        const head = header[L.H_HEAP_FREE + 1]!;
        assert.notEqual(head, 0);
        inside.record(head, 1)[0] = head;
      },
    ],
  ];
  for (const [what, invariant, damage, at] of kinds) {
    test(`finds ${what}`, () => {
      const ordinal = at?.();
      damage();
      const finding = writer.validate();
      assert.equal(finding?.invariant, invariant);
      if (ordinal !== undefined) assert.equal(finding?.ordinal, ordinal);
      new Uint8Array(memory.buffer).set(whole);
      assert.equal(writer.validate(), undefined, 'the shard is whole again');
    });
  }
});

describe('a damaged shard', () => {
  test('gives wrong hits, findings or traps, but no other error, and every call ends', async () => {
    const images = 400;
    const seen = await new Promise<{ found: boolean; traps: number }[]>((resolve, reject) => {
      const results: { found: boolean; traps: number }[] = [];
      const worker = new Worker(new URL('./damage-worker.js', import.meta.url), {
        workerData: { seed: 41, images },
      });
      const stop = () => {
        void worker.terminate();
        reject(new Error(`no end of image ${results.length} within 20 s`));
      };
      let timer = setTimeout(stop, 20_000);
      worker.on('message', (result) => {
        results.push(result);
        clearTimeout(timer);
        timer = setTimeout(stop, 20_000);
      });
      worker.on('error', reject);
      worker.on('exit', () => {
        clearTimeout(timer);
        resolve(results);
      });
    });
    assert.equal(seen.length, images);
    const found = seen.filter((result) => result.found).length;
    assert.ok(found > images * 0.7, `${found} of ${images} damaged images were found out`);
    assert.ok(
      seen.some(({ traps }) => traps > 0) && seen.some(({ traps }) => traps === 0),
      'some calls trap and some do not',
    );
  });
});
