/** What the page knows without a document: addresses, filters, requests, what values there are, and numbers for people. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { IndexDescription } from '../../src/client/client.ts';
import { type Address, MODES, readAddress, withFilter, writeAddress } from '../../src/page/state/address.ts';
import { readStages } from '../../src/page/state/api.ts';
import { askFor, countFound, exactly } from '../../src/page/state/ask.ts';
import { coloursOf, tonesOf } from '../../src/page/state/colour.ts';
import { drawBy } from '../../src/page/state/draw.ts';
import { learn } from '../../src/page/state/facets.ts';
import { filterOf, readRange, writeRange } from '../../src/page/state/filter.ts';
import { bytes, milliseconds, percent, plural } from '../../src/page/state/format.ts';
import { imageOf, otherFields, titleOf } from '../../src/page/state/pin.ts';
import { sampleOf } from '../../src/page/state/sample.ts';
import { readTraffic } from '../../src/page/state/traffic.ts';

const RUNS = { seed: 6, numRuns: 300 };
const text = fc.string({ minLength: 1, unit: 'grapheme' });

const addresses: fc.Arbitrary<Address> = fc.record(
  {
    index: fc.option(text, { nil: undefined }),
    view: fc.oneof(
      fc.constant({ name: 'home' as const }),
      fc.constant({ name: 'index' as const }),
      text.map((words) => ({ name: 'search' as const, text: words })),
      text.map((pin) => ({ name: 'related' as const, pin })),
    ),
    mode: fc.constantFrom(undefined, ...MODES),
    k: fc.integer({ min: 1, max: 100 }),
    ef: fc.option(fc.integer({ min: 1, max: 4096 }), { nil: undefined }),
    diversity: fc.integer({ min: 0, max: 100 }),
    filters: fc.dictionary(text, fc.array(fc.string(), { minLength: 1, maxLength: 3 }), {
      noNullPrototype: true,
    }),
  },
  { noNullPrototype: true },
);

const INDEX: IndexDescription = {
  name: 'a/b',
  status: 'ready',
  engine: 'wasm',
  generation: '000001',
  seq: 7,
  model: 'words@1',
  count: 10,
  shards: [],
  bytes: 1000,
  defaultEf: 64,
  config: {
    dim: 4,
    metric: 'cosine',
    shards: 1,
    attributes: { category: 'keyword', tags: 'keyword[]', price: 'number', fresh: 'bool', at: 'time' },
    model: 'words@1',
    m: 16,
    efConstruction: 200,
    precision: 'f32',
    seed: 1,
  },
};
const HOME = readAddress('');

describe('addresses', () => {
  it('are read as they were written', () => {
    fc.assert(
      fc.property(addresses, (address) => {
        assert.deepEqual(readAddress(writeAddress(address)), address);
      }),
      RUNS,
    );
  });

  it('are read whatever they say', () => {
    fc.assert(
      fc.property(fc.string(), (query) => {
        readAddress(query);
      }),
      RUNS,
    );
    const { k, ef, mode, diversity, view } = readAddress('?k=0&ef=1.5&mode=psychic&diversity=-1&text=');
    assert.deepEqual([k, ef, mode, diversity, view], [24, undefined, undefined, 0, { name: 'home' }]);
    assert.equal(readAddress('?k=1e9').k, 24);
  });

  it('of nothing chosen say nothing', () => {
    assert.equal(writeAddress(HOME), '?');
    assert.deepEqual(withFilter({ a: ['x'], b: ['y'] }, 'a', []), { b: ['y'] });
  });
});

describe('filters', () => {
  const of = (filters: Record<string, string[]>) => filterOf(filters, INDEX.config.attributes);

  it('follow from what was chosen by the type of the attribute', () => {
    assert.equal(of({}), undefined);
    assert.deepEqual(of({ category: ['lamps'], tags: ['red', 'blue'] }), {
      category: 'lamps',
      tags: { $in: ['red', 'blue'] },
    });
    assert.deepEqual(of({ price: ['2.5..'], fresh: ['false'] }), { price: { $gte: 2.5 }, fresh: false });
    assert.deepEqual(of({ price: ['-3..4'] }), { price: { $gte: -3, $lte: 4 } });
  });

  it('take a day with all its hours', () => {
    const day = Date.UTC(2026, 1, 28);
    assert.deepEqual(of({ at: ['2026-02-28..2026-02-28'] }), { at: { $gte: day, $lt: day + 86_400_000 } });
  });

  it('leave out what the index does not have and what makes no sense', () => {
    assert.equal(
      of({ gone: ['x'], toString: ['x'], price: ['cheap..'], fresh: ['maybe'], at: ['soon..'] }),
      undefined,
    );
  });

  it('keep both ends of a range', () => {
    for (const range of ['1..2', '..2', '1..']) assert.deepEqual(writeRange(readRange(range)), [range]);
    assert.deepEqual(writeRange(readRange('..')), []);
  });
});

describe('requests', () => {
  it('follow from the address', () => {
    const search = askFor(readAddress('?text=red&k=5&ef=80&diversity=25&f.category=lamps'), INDEX, []);
    assert.equal(search.path, 'v1/indexes/a%2Fb/search');
    assert.deepEqual(search.body, {
      text: 'red',
      mode: 'dense',
      k: 5,
      ef: 80,
      filter: { category: 'lamps' },
      diversity: { lambda: 0.75 },
      include: ['payload', 'attributes'],
    });
    const related = askFor(readAddress('?pin=p1'), INDEX, []);
    assert.deepEqual([related.path, related.body.pins], ['v1/indexes/a%2Fb/related', ['p1']]);
    const saved = [{ id: 'p1', at: 5 }];
    assert.deepEqual(askFor(HOME, INDEX, saved).body.history, saved);
  });

  it('search by words where there is no model', () => {
    assert.equal(askFor(readAddress('?text=red'), { ...INDEX, model: null }, []).body.mode, 'lexical');
  });

  it('are asked exactly with all but the width and what is shown', () => {
    const ask = askFor(readAddress('?text=red&ef=80&f.category=lamps'), INDEX, []);
    assert.deepEqual(exactly(ask).body, {
      text: 'red',
      mode: 'dense',
      k: 24,
      filter: { category: 'lamps' },
      exact: true,
    });
  });

  it('have a recall where something approximates', () => {
    const isApproximate = (query: string, saved = 0) =>
      askFor(readAddress(query), INDEX, Array(saved).fill({ id: 'p', at: 1 })).isApproximate;
    assert.deepEqual(
      [
        isApproximate('?text=a'),
        isApproximate('?text=a&mode=lexical'),
        isApproximate(''),
        isApproximate('', 1),
      ],
      [true, false, false, true],
    );
    const hits = (...ids: string[]) => ids.map((id) => ({ id, score: 1 }));
    assert.equal(countFound(hits('a', 'b', 'c'), hits('b', 'x', 'a')), 2);
  });
});

describe('what is known of values', () => {
  it('has the frequent first, and does not move when more is learnt', () => {
    const types = INDEX.config.attributes;
    const hit = (category: string, price: number) => ({ id: 'p', score: 1, attributes: { category, price } });
    const first = learn({}, types, [hit('b', 3), hit('a', 1), hit('c', 2), hit('c', 2)]);
    assert.deepEqual(first.category?.keywords, ['c', 'a', 'b']);
    assert.deepEqual(first.price?.span, [1, 3]);
    assert.deepEqual(first.tags, { keywords: [], span: undefined });
    const second = learn(first, types, [hit('z', 9), hit('z', 9), hit('b', 2), { id: 'q', score: 1 }]);
    assert.deepEqual(second.category?.keywords, ['c', 'a', 'b', 'z']);
    assert.deepEqual(second.price?.span, [1, 9]);
  });
});

describe('samples', () => {
  const metrics = (answered: number, fast: number, refused: number) => {
    const line = (suffix: string, labels: string, value: number) =>
      `nearpin_http_request_duration_seconds${suffix}{method="POST",route="/v1/indexes/:index/search",${labels}} ${value}`;
    return [
      '# HELP nearpin_http_request_duration_seconds Time "from" the head.',
      line('_bucket', 'status="200",le="0.01"', fast),
      line('_bucket', 'status="200",le="0.1"', answered),
      line('_bucket', 'status="200",le="+Inf"', answered),
      line('_count', 'status="200"', answered),
      line('_count', 'status="400"', refused),
      'nearpin_http_request_duration_seconds_count{method="GET",route="/",status="200"} 99',
      'process_resident_memory_bytes 5e6',
    ].join('\n');
  };
  const at = (atMs: number, seq: number, text?: string) => ({
    atMs,
    index: { ...INDEX, seq },
    roundTripMs: 1,
    traffic: text === undefined ? undefined : readTraffic(text),
  });

  it('have rates from the second on, and none where a count began anew', () => {
    const first = at(1000, 10);
    const { updatesPerS, lagMs, answeredPerS } = sampleOf(first, undefined);
    assert.deepEqual([updatesPerS, lagMs, answeredPerS], [null, null, null]);
    assert.equal(sampleOf(at(3000, 16), first).updatesPerS, 3);
    assert.equal(sampleOf(at(3000, 2), first).updatesPerS, null);
  });

  it('have the requests that find pins, and how long those since the one before took', () => {
    const first = at(1000, 1, metrics(10, 10, 0));
    const second = sampleOf(at(3000, 1, metrics(20, 15, 4)), first);
    assert.deepEqual([second.answeredPerS, second.refusedPerS, second.residentBytes], [5, 2, 5e6]);
    // Half of the ten lie below 10 ms, and the rest between 10 and 100
    assert.equal(second.p50Ms, 10);
    assert.ok(Math.abs(second.p99Ms! - (10 + 90 * 0.98)) < 1e-9, String(second.p99Ms));
    assert.equal(sampleOf(at(5000, 1, metrics(20, 15, 4)), at(3000, 1, metrics(20, 15, 4))).p99Ms, null);
  });
});

describe('pins', () => {
  it('are named by their payload, else by their id', () => {
    assert.equal(titleOf({ id: 'p', payload: { title: '', name: 'Lamp' } }), 'Lamp');
    for (const payload of [undefined, null, 'x', [1], { title: 7 }])
      assert.equal(titleOf({ id: 'p', payload }), 'p');
  });

  it('show images of this server, over TLS or within the payload, and no other', () => {
    const of = (image: unknown) => imageOf({ id: 'p', payload: { image } });
    for (const source of ['https://a.example/b.png', 'data:image/png;base64,AA', '/b.png'])
      assert.equal(of(source), source);
    for (const source of ['javascript:1', '//a.example/b', 'http://a/b', 'b.png', 5])
      assert.equal(of(source), undefined);
  });

  it('show of their payload what is not shown otherwise', () => {
    const payload = { title: 'a', board: 'b', nested: { list: [1] }, note: 'c' };
    assert.deepEqual(otherFields({ id: 'p', payload, attributes: { board: 'b' } }), [
      ['nested', '{"list":[1]}'],
      ['note', 'c'],
    ]);
  });

  it('are drawn in the colours that they name, and the same each time', () => {
    assert.deepEqual(coloursOf(['Sage velvet', 'constructor', 'NAVY sage']).length, 2);
    assert.deepEqual(tonesOf([], 7, drawBy('p')), tonesOf([], 7, drawBy('p')));
    assert.notDeepEqual(tonesOf([], 7, drawBy('p')), tonesOf([], 7, drawBy('q')));
  });
});

describe('numbers', () => {
  it('have the digits that tell something', () => {
    assert.deepEqual([0.1234, 12.34, 1234.5].map(milliseconds), ['0.12 ms', '12.3 ms', '1235 ms']);
    assert.deepEqual([0, 1023, 1536, 2 ** 30].map(bytes), ['0 B', '1023 B', '1.5 KiB', '1.0 GiB']);
    assert.deepEqual([1, 0.9999, 0.95].map(percent), ['100 %', '99.9 %', '95 %']);
    assert.deepEqual([plural(1, 'pin'), plural(2000, 'pin')], ['1 pin', '2,000 pins']);
  });

  it('of Server-Timing are its durations', () => {
    const header = 'decode;dur=0.12, cache;desc="a, b", search;desc="in the core";dur=3, total;dur=4.5';
    assert.deepEqual(readStages(header), [
      { name: 'decode', ms: 0.12 },
      { name: 'search', ms: 3 },
      { name: 'total', ms: 4.5 },
    ]);
    assert.deepEqual(readStages(''), []);
  });
});
