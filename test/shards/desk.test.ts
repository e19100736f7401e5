import assert from 'node:assert/strict';
import test, { describe } from 'node:test';
import {
  AskingSide,
  DESK_AREA_BYTES,
  type DeskTask,
  deskBuffer,
  ServingSide,
} from '../../src/shards/desk.ts';

/** Both sides of a desk, open. */
function openDesk() {
  const buffer = deskBuffer();
  const asking = new AskingSide(buffer);
  asking.open();
  return { asking, serving: new ServingSide(buffer) };
}

const bytes = (...values: number[]) => Uint8Array.from(values);
const taskOf = (set: number, ...values: number[]): DeskTask => ({ set, queries: bytes(...values).buffer });
const valuesOf = (buffer: ArrayBuffer | undefined) => buffer && [...new Uint8Array(buffer)];
/** Answers with the set and the bytes of the queries, each plus 1. */
const addOne = ({ set, queries }: DeskTask) => bytes(set, ...valuesOf(queries)!.map((value) => value + 1));

describe('a desk', () => {
  test('hands tasks over in order, and answers back in the same', () => {
    const { asking, serving } = openDesk();
    const taken = [];
    for (let round = 0; round < 5; round++) {
      // As many as lie there at a time, of different lengths
      assert.ok(asking.ask(taskOf(round, 10)));
      assert.ok(asking.ask(taskOf(round + 100, 20, 30)));
      asking.sendAway();
      assert.equal(asking.take(), undefined);
      assert.equal(serving.stay(addOne), null);
      taken.push(valuesOf(asking.take()), valuesOf(asking.take()));
      assert.equal(asking.take(), undefined);
      asking.open();
    }
    assert.deepEqual(
      taken,
      [0, 1, 2, 3, 4].flatMap((round) => [
        [round, 11],
        [round + 100, 21, 31],
      ]),
    );
  });

  test('is asked again while its thread serves', () => {
    const { asking, serving } = openDesk();
    const taken: (number[] | undefined)[] = [];
    let asked = 1;
    assert.ok(asking.ask(taskOf(0)));
    serving.stay((task) => {
      // From the other side, while this one is at work: its last answers are there
      for (let answers = asking.take(); answers; answers = asking.take()) taken.push(valuesOf(answers));
      if (asked < 50) assert.ok(asking.ask(taskOf(asked++)));
      return addOne(task);
    });
    taken.push(valuesOf(asking.take()));
    assert.deepEqual(
      taken,
      Array.from({ length: 50 }, (_, i) => [i]),
    );
  });

  test('is left when nothing comes, and is closed then', () => {
    const { asking, serving } = openDesk();
    assert.ok(asking.isOpen);
    assert.equal(serving.stay(addOne), null);
    assert.ok(!asking.isOpen);
    assert.ok(!asking.ask(taskOf(1)));
    assert.deepEqual(asking.clear(0), []);
  });

  test('takes nothing more once its thread is sent away', () => {
    const { asking, serving } = openDesk();
    assert.ok(asking.ask(taskOf(7)));
    asking.sendAway();
    assert.ok(!asking.isOpen);
    assert.ok(!asking.ask(taskOf(8)));
    assert.equal(serving.stay(addOne), null);
    assert.deepEqual(valuesOf(asking.take()), [7]);
  });

  test('is left with a result that has no place there; what else lies there is given back', () => {
    const { asking, serving } = openDesk();
    assert.ok(asking.ask(taskOf(1, 1)));
    assert.ok(asking.ask(taskOf(2, 2, 3)));
    assert.deepEqual(
      serving.stay(() => ({ failed: true })),
      { failed: true },
    );
    assert.equal(asking.take(), undefined);
    assert.deepEqual(asking.clear(2).map(valuesOf), [[1], [2, 3]]);
  });

  test('takes queries as long as its room, and none that are longer', () => {
    const { asking, serving } = openDesk();
    assert.ok(!asking.ask({ set: 0, queries: new ArrayBuffer(DESK_AREA_BYTES + 1) }));
    const queries = new Uint8Array(DESK_AREA_BYTES).fill(9);
    assert.ok(asking.ask({ set: 0, queries: queries.buffer }));
    assert.ok(asking.ask(taskOf(3, 4)));
    asking.sendAway();
    serving.stay((task) => new Uint8Array(task.queries));
    assert.deepEqual(new Uint8Array(asking.take()!), queries);
    assert.deepEqual(valuesOf(asking.take()), [4]);
  });

  test('says when there may be answers', async () => {
    const { asking, serving } = openDesk();
    assert.ok(asking.ask(taskOf(1)));
    // Waiting for it does not keep the process alive
    const alive = setTimeout(() => {}, 10_000);
    const answered = asking.answered();
    assert.equal(serving.stay(addOne), null);
    await answered;
    assert.deepEqual(valuesOf(asking.take()), [1]);
    clearTimeout(alive);
  });

  test('is closed until it is opened', () => {
    const buffer = deskBuffer();
    assert.ok(!new AskingSide(buffer).ask(taskOf(1)));
    assert.equal(new ServingSide(buffer).stay(addOne), null);
  });
});
