/** Vectors from lists: against the whole matrix and all its eigenvectors, and what must not change them. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { NearpinError } from '../../src/lib/errors.ts';
import { Prng } from '../../src/lib/prng.ts';
import { eigen } from '../../src/train/dense.ts';
import { type FactoriseOptions, factorise } from '../../src/train/factorise.ts';
import { collectPinLists, type PinLists } from '../../src/train/pin-lists.ts';

async function* each(lists: readonly string[][]) {
  yield* lists;
}

/** Users who save from one or two of `topics` groups of pins, more from those that come first. */
function drawLists(users: number, topics: number, seed: number): Promise<PinLists> {
  const random = new Prng(seed);
  const lists = Array.from({ length: users }, () => {
    const likes = [random.below(topics), random.below(topics)];
    const pins = new Set<string>();
    for (let i = 2 + random.below(9); i > 0; i--) {
      pins.add(`t${random.pick(likes)}-${Math.floor(12 * random.float() ** 2)}`);
    }
    return [...pins];
  });
  return collectPinLists(each(lists), () => {});
}

const run = (lists: PinLists, options: Partial<FactoriseOptions> = {}) =>
  factorise(lists, { dim: 8, seed: 1, threads: 1, onProgress: () => {}, ...options });

/** The definition: the matrix of which pins go together, made, and all its eigenvectors. */
function naive({ ids, starts, pins }: PinLists, dim: number): Float64Array {
  const n = ids.length;
  const savers = new Float64Array(n);
  for (const pin of pins) savers[pin]!++;
  const together = new Float64Array(n * n);
  for (let l = 0; l + 1 < starts.length; l++) {
    const list = pins.subarray(starts[l]!, starts[l + 1]!);
    for (const i of list) {
      for (const j of list) together[i * n + j]! += 1 / list.length / (savers[i]! * savers[j]!) ** 0.3;
    }
  }
  const { values, vectors } = eigen(together, n);
  const made = Float64Array.from({ length: n * dim }, (_, at) => {
    const [pin, j] = [Math.floor(at / dim), at % dim];
    return j < n ? vectors[j * n + pin]! * Math.max(0, values[j]!) ** 0.2 : 0;
  });
  let longest = 0;
  for (let pin = 0; pin < n; pin++) {
    const row = made.subarray(pin * dim, (pin + 1) * dim);
    longest = Math.max(longest, Math.hypot(...row));
  }
  return made.map((value) => value / longest);
}

/** Asserts that all dot products of pins agree: eigenvectors are only told up to their sign. */
function assertSameProducts(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  dim: number,
  within: number,
): void {
  assert.equal(actual.length, expected.length);
  const product = (x: ArrayLike<number>, a: number, b: number) => {
    let sum = 0;
    for (let i = 0; i < dim; i++) sum += x[a * dim + i]! * x[b * dim + i]!;
    return sum;
  };
  for (let a = 0; a < actual.length / dim; a++) {
    for (let b = 0; b <= a; b++) {
      const difference = Math.abs(product(actual, a, b) - product(expected, a, b));
      assert.ok(difference <= within, `pins ${a} and ${b} differ by ${difference}`);
    }
  }
}

describe('vectors of pins', () => {
  test('are those of the whole matrix', async () => {
    for (const seed of [1, 2, 3]) {
      const lists = await drawLists(200, 4, seed);
      // The subspace has room for all of so few pins but a handful, so that it holds the first ones exactly
      const { vectors } = await run(lists, { dim: 8, iterations: 40 });
      assertSameProducts(vectors, naive(lists, 8), 8, 1e-4);
    }
  });

  test('with more dimensions than pins hold the whole matrix, and zeros', async () => {
    const lists = await drawLists(40, 1, 4);
    const count = lists.ids.length;
    assert.ok(count < 20);
    const { vectors, captured } = await run(lists, { dim: 20 });
    assertSameProducts(vectors, naive(lists, 20), 20, 1e-4);
    assert.ok(Math.abs(captured - 1) < 1e-5, `${captured}`);
    for (let pin = 0; pin < count; pin++) {
      for (let j = count; j < 20; j++) assert.equal(vectors[pin * 20 + j], 0);
    }
  });

  test('of two pins that only go together are the same', async () => {
    const lists = await collectPinLists(each([['a', 'b']]), () => {});
    const { vectors } = await run(lists, { dim: 2 });
    assert.ok(Math.abs(vectors[0]! - vectors[2]!) < 1e-6);
    assert.ok(Math.abs(Math.abs(vectors[0]!) - 1) < 1e-6);
    assert.ok(Math.abs(vectors[1]!) < 1e-3 && Math.abs(vectors[3]!) < 1e-3);
  });

  test('capture more with every iteration', async () => {
    const lists = await drawLists(600, 12, 5);
    assert.ok(lists.ids.length > 100);
    let before = 0;
    for (const iterations of [1, 2, 4]) {
      const { captured } = await run(lists, { iterations });
      assert.ok(captured >= before - 1e-9, `${iterations}: ${captured} after ${before}`);
      before = captured;
    }
    assert.ok(before > 0.1 && before < 1, `${before}`);
  });

  test('bring pins of a topic together', async () => {
    const lists = await drawLists(600, 12, 6);
    const { vectors } = await run(lists, { dim: 16 });
    const at = (id: string) => lists.ids.indexOf(id) * 16;
    const cosine = (a: number, b: number) => {
      const [x, y] = [vectors.subarray(a, a + 16), vectors.subarray(b, b + 16)];
      return x.reduce((sum, value, i) => sum + value * y[i]!, 0) / Math.hypot(...x) / Math.hypot(...y);
    };
    for (let topic = 0; topic < 12; topic++) {
      const within = cosine(at(`t${topic}-0`), at(`t${topic}-1`));
      const across = cosine(at(`t${topic}-0`), at(`t${(topic + 1) % 12}-1`));
      assert.ok(within > 0.5 && across < 0.3, `${within} within, ${across} across`);
    }
  });

  test('do not depend on the number of threads, and do on the seed', async () => {
    const lists = await drawLists(3000, 40, 7);
    const [one, three, other] = [
      await run(lists, { threads: 1, iterations: 3 }),
      await run(lists, { threads: 3, iterations: 3 }),
      await run(lists, { threads: 1, iterations: 3, seed: 2 }),
    ];
    assert.deepEqual(one, three);
    assert.notDeepEqual(one.vectors, other.vectors);
  });
});

test('progress counts to its end', async () => {
  const seen: number[] = [];
  let end = 0;
  await run(await drawLists(100, 2, 8), {
    onProgress: (done, total) => {
      seen.push(done);
      end = total;
    },
  });
  assert.deepEqual(
    seen,
    Array.from({ length: end }, (_, i) => i + 1),
  );
});

test('an abort ends it with the reason', async () => {
  const controller = new AbortController();
  const reason = new NearpinError('interrupted', 'enough');
  const lists = await drawLists(3000, 40, 9);
  const onProgress = (done: number) => done === 5 && controller.abort(reason);
  await assert.rejects(
    run(lists, { iterations: 1e6, threads: 2, signal: controller.signal, onProgress }),
    (error) => error === reason,
  );
  await assert.rejects(run(lists, { signal: controller.signal }), (error) => error === reason);
});
