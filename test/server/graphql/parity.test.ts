/** Random requests to REST and, as their twins, to GraphQL over an index built to disk: the same answers and refusals. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { differences } from '../../../src/cli/diff/compare.ts';
import { answerOf, type RestRequest, twinOf } from '../../../src/cli/diff/twin.ts';
import type { Engine } from '../../../src/engines/engine.ts';
import { createEngineHost, type EngineHost } from '../../../src/engines/engine-host.ts';
import { buildPins } from '../../support/built-index.ts';
import { clusteredPins } from '../../support/clustered-pins.ts';
import { catalogOf, exchange, postJson, ready, serve } from '../../support/http.ts';
import { openEngine } from '../../support/open-engine.ts';

const DIM = 12;
const PINS = clusteredPins({ count: 300, dim: DIM, seed: 5 });

/** Mostly what is right. */
const mostly = <Good, Bad>(good: fc.Arbitrary<Good>, bad: fc.Arbitrary<Bad>) =>
  fc.oneof({ weight: 40, arbitrary: good }, { weight: 1, arbitrary: bad });

const id = mostly(
  fc.integer({ min: 0, max: 299 }).map((i) => `pin-${i}`),
  fc.constantFrom('', 'pin-x'),
);
const weight = mostly(fc.double({ min: 0.1, max: 5, noNaN: true }), fc.constantFrom(0, -1));
const seed = fc.oneof(id, fc.record({ id, weight }, { requiredKeys: ['id'] }));
const vector = mostly(
  fc.array(
    fc.integer({ min: -99, max: 99 }).map((x) => x / 16),
    { minLength: DIM, maxLength: DIM },
  ),
  fc.array(fc.integer({ min: -2, max: 2 }), { maxLength: DIM + 1 }),
);
const filter = mostly(
  fc.oneof(
    fc.record({ category: fc.constantFrom('lamps', 'chairs', 'none') }),
    fc.record({ price: fc.record({ $lt: fc.integer({ min: 0, max: 100 }) }) }),
    fc.constant({ tags: { $in: ['t1', 't2'] } }),
    fc.constant({ $or: [{ fresh: true }, { cluster: 'c3' }] }),
  ),
  fc.constantFrom({ colour: 'red' }, { price: { $near: 3 } }),
);
const common = {
  k: mostly(fc.integer({ min: 1, max: 40 }), fc.constantFrom(0, 1001)),
  ef: mostly(fc.integer({ min: 1, max: 200 }), fc.constant(4097)),
  filter,
  exact: fc.boolean(),
  minScore: fc.double({ min: -1, max: 1, noNaN: true }),
  include: fc.subarray(['payload', 'attributes', 'vector'] as const),
  exclude: fc.array(id, { maxLength: 3 }),
  explain: fc.boolean(),
};
const surface = {
  diversity: mostly(fc.constantFrom(null, {}, { lambda: 0.5 }), fc.constant({ lambda: 2 })),
  groupBy: mostly(
    fc.constantFrom(null, { field: 'category', size: 1 }),
    fc.constant({ field: 'colour', size: 1 }),
  ),
  nearDuplicates: fc.constantFrom(null, { similarity: 0.9 }),
  boosts: mostly(
    fc.constantFrom(
      [],
      [{ filter: { category: 'lamps' }, factor: 1.5 }],
      [{ field: 'created', halfLifeDays: 30, weight: 1 }],
    ),
    fc.constant([{ factor: 2 }]),
  ),
  sources: fc.constantFrom({}, { none: null }),
};
const person = {
  // No times, of which the answer would depend on the moment
  history: fc.array(seed, { maxLength: 6 }),
  seen: fc.array(id, { maxLength: 4 }),
  topics: fc.array(fc.oneof(fc.record({ vector, name: fc.constant('t') }), fc.record({ pin: id })), {
    maxLength: 2,
  }),
};
const only = <T extends Record<string, fc.Arbitrary<unknown>>>(
  model: T,
  ...requiredKeys: (keyof T & string)[]
) => fc.record(model, { requiredKeys } as never) as fc.Arbitrary<Record<string, unknown>>;

const requests: Readonly<Record<string, fc.Arbitrary<Record<string, unknown>>>> = {
  query: fc.oneof(
    only({ ...common, vector }, 'vector'),
    only({ ...common, vectors: fc.array(vector, { maxLength: 3 }) }, 'vectors'),
  ),
  related: only(
    {
      ...common,
      ...surface,
      pins: fc.array(seed, { maxLength: 3 }),
      negatives: fc.array(seed, { maxLength: 2 }),
    },
    'pins',
  ),
  search: fc.oneof(
    only({ ...common, ...surface, vector }, 'vector'),
    only(
      {
        ...common,
        ...surface,
        text: mostly(fc.constantFrom('Pin 12', 'pin 7 9'), fc.constant(' ')),
        mode: fc.constant('lexical'),
      },
      'text',
      'mode',
    ),
  ),
  homefeed: only({ ...common, ...surface, ...person, seed: fc.nat() }, 'history'),
  notifications: only(
    {
      ...common,
      ...surface,
      maxAge: fc.constant(null),
      users: fc.array(
        only(
          { user: fc.constantFrom('ann', 'bob', ''), max: fc.integer({ min: 1, max: 5 }), ...person },
          'user',
          'history',
        ),
        { maxLength: 3 },
      ),
    },
    'users',
  ),
  pin: only(
    {
      id: fc.integer({ min: 0, max: 310 }).map((i) => `pin-${i}`),
      include: fc.constantFrom(['vector'], ['payload']),
    },
    'id',
  ),
};

describe('REST and GraphQL', () => {
  let dir: string;
  let host: EngineHost;
  let engine: Engine;
  let server: Awaited<ReturnType<typeof serve>>;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'nearpin-graphql-'));
    const { indexDir } = await buildPins(dir, 'demo', PINS, {}, 2);
    host = createEngineHost('wasm', 1);
    ({ engine } = await openEngine(indexDir, host));
    server = await serve({
      catalog: catalogOf([ready({ name: 'demo', engine, model: null })]),
      graphql: { introspection: false },
    });
  });
  after(async () => {
    await server?.app.close();
    await engine?.close();
    await host?.close();
    await rm(dir, { recursive: true, force: true });
  });

  async function compare(request: RestRequest): Promise<unknown> {
    const at = `${server.url}/v1/indexes/demo`;
    const pinAt = (id: unknown, include: unknown) =>
      `${at}/pins/${encodeURIComponent(String(id))}${include ? `?include=${include}` : ''}`;
    const rest = await (request.op === 'pin'
      ? exchange(pinAt(request.request.id, request.request.include))
      : postJson(`${at}/${request.op}`, request.request));
    const twin = twinOf(request);
    const graphql = await postJson(`${server.url}/graphql`, twin);
    const answer = answerOf(request, graphql.body);
    assert.deepEqual(
      differences(rest.body, answer, 0),
      [],
      JSON.stringify({ request, rest: rest.body, graphql: graphql.body }).slice(0, 4000),
    );
    return rest.body;
  }

  for (const [op, arbitrary] of Object.entries(requests))
    it(`${op}: the same hits, parts and refusals, to the bit`, async () => {
      let answered = 0;
      let refused = 0;
      await fc.assert(
        fc.asyncProperty(arbitrary, async (request) => {
          const body = (await compare({ op, index: 'demo', request })) as object;
          if ('code' in body) refused++;
          else answered++;
        }),
        { seed: 21, numRuns: 60, endOnFailure: true },
      );
      assert.ok(answered > 20 && refused > 0, `${answered} answered, ${refused} refused`);
    });

  it('batch: each of its own', async () => {
    const items = Object.entries(requests)
      .filter(([op]) => !['notifications', 'pin'].includes(op))
      .map(([op, arbitrary]) => arbitrary.map((request) => ({ ...request, op })));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(...items), { minLength: 1, maxLength: 4 }), async (list) => {
        await compare({ op: 'batch', index: 'demo', request: { requests: list } });
      }),
      { seed: 22, numRuns: 20, endOnFailure: true },
    );
  });
});
