/** Search by words beside a plain map of what the index must hold: writes, checkpoints, swaps, restarts, filters, faults. */
import assert from 'node:assert/strict';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { createIndex } from '../../src/build/create-index.ts';
import type { LexicalQuery, PinWrite } from '../../src/engines/engine.ts';
import { createEngineHost, type EngineHost } from '../../src/engines/engine-host.ts';
import { resolveConfig } from '../../src/index/config.ts';
import { matches, parseFilter } from '../../src/index/filter.ts';
import type { Attributes } from '../../src/index/pin.ts';
import { wordsOf } from '../../src/index/words.ts';
import { type LexicalCallOfSearch, LexicalThread } from '../../src/lexical/lexical-thread.ts';
import { readManifest } from '../../src/storage/generation.ts';
import { naiveBm25 } from '../lexical/naive-bm25.ts';
import { rejects } from '../lib/refuses.ts';
import { buildPins, CORE } from '../support/built-index.ts';
import { clusteredPins } from '../support/clustered-pins.ts';
import { type OpenedIndex, openEngine } from '../support/open-engine.ts';

const TYPES = { colour: 'keyword', price: 'number' } as const;
const CONFIG = resolveConfig({
  dim: 2,
  metric: 'l2',
  shards: 2,
  attributes: TYPES,
  m: 4,
  efConstruction: 20,
});
const WORDS = ['lamp', 'brick', 'mango', 'velvet', 'quartz', 'zebra'];
const FILTERS: readonly Record<string, unknown>[] = [
  { colour: 'red' },
  { price: { $gte: 2 } },
  { $not: { colour: 'red' } },
];

let dir: string;
let template: string;
let host: EngineHost;
let copies = 0;
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'nearpin-lexical-'));
  template = join(dir, 'template');
  await createIndex(template, CONFIG, null, CORE);
  host = createEngineHost('wasm', 1);
});
after(async () => {
  await host.close();
  await rm(dir, { recursive: true, force: true });
});

async function fresh(of = template): Promise<string> {
  const copy = join(dir, `copy-${copies++}`);
  await cp(of, copy, { recursive: true });
  return copy;
}

async function find({ engine }: OpenedIndex, text: string, more: Partial<LexicalQuery> = {}) {
  return engine.lexical!.search({ text, k: 10, ...more });
}
const idsOf = async (opened: OpenedIndex, text: string, more: Partial<LexicalQuery> = {}) =>
  (await find(opened, text, more)).hits.map(({ id }) => id);
const put = (opened: OpenedIndex, ...pins: (Partial<PinWrite> & { id: string })[]) =>
  opened.live.upsert(
    pins.map((pin) => ({ vector: Float32Array.of(1, 2), attributes: {}, payload: undefined, ...pin })),
    opened.manifest.config,
  );

interface Held {
  readonly text: string | undefined;
  readonly attributes: Attributes;
  readonly payload: unknown;
}

const text = fc.array(fc.constantFrom(...WORDS), { maxLength: 5 }).map((words) => words.join(' '));
const attributes = fc.record(
  { colour: fc.constantFrom('red', 'blue'), price: fc.nat(3) },
  { requiredKeys: [] },
);
const payload = fc.option(
  fc.oneof(
    fc.record({ title: text, other: fc.constant('unseen') }, { requiredKeys: [] }),
    fc.constant(null),
    fc.constant('lamp'),
  ),
  { nil: undefined },
);
const id = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h');
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('put' as const),
      id,
      text: fc.option(text, { nil: undefined }),
      attributes,
      payload,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('change' as const),
      id,
      attributes: fc.option(attributes, { nil: undefined }),
      payload,
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('delete' as const), id }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constantFrom('checkpoint' as const, 'restart' as const, 'roll back' as const),
    }),
  },
);

test('search by words finds what a map of the pins would, through whatever work', async () => {
  const run = async (
    steps: readonly (typeof step extends fc.Arbitrary<infer T> ? T : never)[],
    queries: readonly string[],
  ) => {
    const at = await fresh();
    let opened = await openEngine(at, host);
    const held = new Map<string, Held>();
    try {
      for (const each of steps) {
        switch (each.do) {
          case 'put': {
            const { do: _, ...pin } = each;
            await put(opened, pin);
            held.set(pin.id, pin);
            break;
          }
          case 'change': {
            const was = held.get(each.id);
            if (!was || (each.attributes === undefined && each.payload === undefined)) break;
            await opened.live.upsert(
              [{ id: each.id, attributes: each.attributes, payload: each.payload }],
              opened.manifest.config,
            );
            held.set(each.id, {
              text: was.text,
              attributes: each.attributes ?? was.attributes,
              payload: each.payload === undefined ? was.payload : each.payload,
            });
            break;
          }
          case 'delete':
            await opened.live.delete([{ id: each.id }]);
            held.delete(each.id);
            break;
          case 'checkpoint':
            await opened.live.checkpoint();
            break;
          case 'restart':
            await opened.engine.close();
            opened = await openEngine(at, host);
            break;
          case 'roll back':
            await opened.live.publish((await opened.live.generations()).at(0)!.generation);
        }
        for (const query of queries) {
          const filter = FILTERS[(query.length + held.size) % (FILTERS.length + 1)];
          const words = new Map([...held].map(([id, pin]) => [id, wordsOf(pin.text, pin.payload)]));
          const fits = (id: string) =>
            !filter || matches(parseFilter(filter, TYPES), held.get(id)!.attributes);
          const expected = naiveBm25(words, query).filter(({ id }) => fits(id));
          const found = await find(opened, query, { k: 5, ...(filter && { filter }) });
          assert.equal(found.exhausted, expected.length < 5);
          assert.equal(found.hits.length, Math.min(5, expected.length));
          for (const [i, hit] of found.hits.entries()) {
            const same = expected.find(({ id }) => id === hit.id);
            assert.ok(same !== undefined, `${hit.id} is no hit for ${query}`);
            assert.ok(Math.abs(same.score - hit.score) < 1e-9);
            assert.ok(Math.abs(expected[i]!.score - hit.score) < 1e-9);
          }
        }
      }
    } finally {
      await opened.engine.close();
    }
  };
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 14 }), fc.array(text, { minLength: 2, maxLength: 3 }), run),
    { seed: 4, numRuns: process.env.NEARPIN_TEST_SLOW === '1' ? 200 : 6, endOnFailure: true },
  );
});

describe('words of an index', () => {
  test('are not there when no pin has any, and cost no thread', async () => {
    const opened = await openEngine(await fresh(), host);
    await put(opened, { id: 'a' }, { id: 'b', payload: { price: 3 } });
    assert.deepEqual(await find(opened, 'lamp'), {
      hits: [],
      ef: 0,
      generation: '000001',
      coverage: { shards: 2, answered: 2 },
      exhausted: true,
    });
    assert.equal(opened.live.describeLive().lexical, undefined);
    await opened.live.checkpoint();
    assert.equal((await readManifest(opened.live.loaded.dir)).pins.words, undefined);
    await put(opened, { id: 'c', payload: { title: 'brass lamp' } });
    assert.deepEqual(await idsOf(opened, 'lamp'), ['c']);
    assert.deepEqual(opened.live.describeLive().lexical, { pins: 1, isReady: true });
    await opened.live.checkpoint();
    assert.equal((await readManifest(opened.live.loaded.dir)).pins.words, true);
    await opened.engine.close();
  });

  test('are found by searches that begin while they are read', async () => {
    const pins = clusteredPins({ dim: 4, seed: 1, count: 3000 }).map((pin, i) => ({
      ...pin,
      payload: { title: `pin of number${i}`, description: i % 2 === 0 ? 'even' : 'odd' },
    }));
    const { indexDir } = await buildPins(dir, 'built', pins, { metric: 'l2' }, 1);
    const opened = await openEngine(indexDir, host);
    const ids = await Promise.all([7, 1234, 2999].map((i) => idsOf(opened, `number${i}`, { k: 1 })));
    assert.deepEqual(ids, [['pin-7'], ['pin-1234'], ['pin-2999']]);
    const late = await find(opened, 'even', { deadlineAtMs: 1 });
    assert.deepEqual([late.hits, late.coverage.degraded, late.exhausted], [[], 'deadline', false]);
    // Further away than a timer can wait for
    const patient = await find(opened, 'even', { deadlineAtMs: 1e300 });
    assert.deepEqual([patient.hits.length > 0, patient.coverage.degraded], [true, undefined]);
    const filter = { rank: { $lt: 30 } };
    const expected = pins.filter(({ attributes }, i) => i % 2 === 0 && (attributes.rank as number) < 30);
    const found = await find(opened, 'even', { k: 100, filter });
    assert.deepEqual(found.hits.map(({ id }) => id).sort(), expected.map(({ id }) => id).sort());
    assert.equal(found.exhausted, true);
    const without = await idsOf(opened, 'even', { k: 3, filter, exclude: [found.hits[0]!.id] });
    assert.deepEqual(
      without,
      found.hits.slice(1, 4).map(({ id }) => id),
    );
    await rejects(find(opened, 'even', { filter: { unknown: 1 } }), 'bad_filter');
    await opened.engine.close();
    await rejects(find(opened, 'even'), 'closed');
    // While the words are read
    const again = await openEngine(indexDir, host);
    const asked = Promise.allSettled([find(again, 'even')]);
    await again.engine.close();
    const [outcome] = await asked;
    if (outcome.status === 'rejected') assert.equal(outcome.reason.code, 'closed');
  });

  test('are there once more when their thread has died', async (t) => {
    const threads = new Set<LexicalThread>();
    const { call } = LexicalThread.prototype;
    t.mock.method(
      LexicalThread.prototype,
      'call',
      function (this: LexicalThread, message: LexicalCallOfSearch) {
        threads.add(this);
        return call.bind(this)(message);
      },
    );
    const kill = () => Promise.all([...threads].map((thread) => thread.close()));
    const opened = await openEngine(await fresh(), host);
    await put(opened, { id: 'a', text: 'brass lamp' }, { id: 'b', text: 'velvet sofa' });
    await opened.live.checkpoint();
    await put(opened, { id: 'c', text: 'brass sofa' });
    await opened.live.delete([{ id: 'a' }]);
    assert.deepEqual(await idsOf(opened, 'brass'), ['c']);
    await kill();
    assert.deepEqual((await idsOf(opened, 'brass sofa')).sort(), ['b', 'c']);
    await kill();
    await put(opened, { id: 'd', text: 'brass' });
    assert.deepEqual((await idsOf(opened, 'brass')).sort(), ['c', 'd']);
    await opened.engine.close();
  });

  test('never show a pin that was deleted, whatever is asked meanwhile', async () => {
    const opened = await openEngine(await fresh(), host);
    for (let round = 0; round < 30; round++) {
      await put(opened, { id: `x${round}`, text: 'brass lamp' }, { id: 'y', text: 'brass' });
      const searches = [find(opened, 'brass'), find(opened, 'lamp brass')];
      const deletion = opened.live.delete([{ id: `x${round}` }]);
      await Promise.all(searches);
      await deletion;
      assert.deepEqual(await idsOf(opened, 'brass lamp'), ['y']);
    }
    await opened.engine.close();
  });
});
