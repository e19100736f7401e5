/** Experiments around HTTP: exposures for what ran and nothing else, and shadows that nobody notices. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { Engine } from '../../src/engines/engine.ts';
import { armBucket } from '../../src/retrieval/experiments/assign.ts';
import {
  ExposureLog,
  type ExposureRecord,
  type LogRecord,
} from '../../src/retrieval/experiments/exposure.ts';
import { takes } from '../../src/retrieval/experiments/shadow.ts';
import { parseMixerConfig } from '../../src/retrieval/mixer-config.ts';
import type { ServedIndex } from '../../src/retrieval/open-index.ts';
import type { CatalogEntry } from '../../src/server/catalog.ts';
import { catalogOf, exchange, postJson, postMsgpack, ready, serve, served } from '../support/http.ts';
import { memoryEngine } from '../support/memory-engine.ts';
import { ATTRIBUTES, somePins } from '../support/pins.ts';

const DIM = 4;
const PINS = somePins(40, DIM, 8);
const newEngine = (more: object = {}) =>
  memoryEngine({ dim: DIM, attributes: ATTRIBUTES, pins: PINS, ...more });

const GROUPS = {
  layers: [
    {
      name: 'groups',
      salt: 'g',
      parameters: ['related.groupBy'],
      experiments: [
        {
          name: 'groups',
          surface: 'related',
          to: 10_000,
          arms: [
            { name: 'control' },
            { name: 'one', parameters: { 'related.groupBy': { field: 'category', size: 1 } } },
          ],
        },
      ],
    },
    {
      name: 'same',
      salt: 's',
      experiments: [{ name: 'aa', surface: 'related', to: 10_000, arms: [{ name: 'a' }] }],
    },
  ],
};

/** Serves `demo` under a mixer config, beside other indexes; what is recorded is collected. */
async function start(
  t: TestContext,
  mixer: object,
  {
    engine = newEngine(),
    beside,
    others = [],
    threads,
  }: { engine?: Engine; beside?: ServedIndex; others?: CatalogEntry[]; threads?: number } = {},
) {
  const index = { name: 'demo', engine, model: 'm@1', mixer: parseMixerConfig(mixer, engine.config) };
  const demo: CatalogEntry = {
    name: 'demo',
    status: 'ready',
    index: { ...served(index), beside: (generation) => (generation === '000002' ? beside : undefined) },
  };
  const records: LogRecord[] = [];
  const log = new ExposureLog(async (written) => {
    records.push(...written);
  });
  const { app, url } = await serve({
    catalog: catalogOf([demo, ...others]),
    exposures: log,
    ...(threads && { threads }),
  });
  t.after(() => app.close());
  const at = `${url}/v1/indexes/demo`;
  const metrics = async () => (await exchange(`${url}/metrics`)).body as string;
  return { at, log, records, metrics };
}

/** Waits for what comes behind an answer. */
async function until(isThere: () => boolean): Promise<void> {
  for (let i = 0; i < 1000 && !isThere(); i++) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.ok(isThere(), 'it did not come');
}

describe('exposures', () => {
  it('are recorded once for each experiment of a request, with what the answer held', async (t) => {
    const { at, log, records } = await start(t, { experiments: GROUPS });
    const headers = { 'x-request-id': 'req-1' };
    const { body } = await postJson(
      `${at}/related`,
      { pins: ['p1'], k: 3, unit: 'u7', include: ['payload'] },
      headers,
    );
    await log.flush();
    assert.equal(body.experiments.length, 2);
    const exposures = records as ExposureRecord[];
    assert.deepEqual(
      exposures.map(({ experiment, arm }) => ({ experiment, arm })),
      body.experiments,
    );
    const { at: when, experiment: _, arm: __, ...rest } = exposures[0]!;
    assert.ok(Math.abs(when - Date.now()) < 60_000);
    assert.deepEqual(rest, {
      kind: 'exposure',
      requestId: 'req-1',
      surface: 'related',
      unit: 'u7',
      index: 'demo',
      generation: 'gen-1',
      model: 'm@1',
      tookMs: body.tookMs,
      hits: body.hits.map(({ id, source }: { id: string; source: string }) => ({ id, source })),
    });
  });

  it('are the same in msgpack', async (t) => {
    const { at, log, records } = await start(t, { experiments: GROUPS });
    const request = { pins: ['p1'], k: 3, unit: 'u7' };
    const { body } = await postMsgpack(`${at}/related`, request);
    await log.flush();
    assert.equal(records.length, 2);
    const json = await postJson(`${at}/related`, request);
    assert.deepEqual(body.experiments, json.body.experiments);
    assert.deepEqual(body.hits, json.body.hits);
  });

  it('are not recorded for requests without a unit, that decide themselves, that are refused, or of other surfaces', async (t) => {
    const { layers } = GROUPS;
    const { at, log, records } = await start(t, { experiments: { layers: [layers[0]] } });
    const own = { pins: ['p1'], unit: 'u', groupBy: { field: 'category', size: 3 } };
    for (const [path, body, status] of [
      ['related', { pins: ['p1'] }, 200],
      ['related', own, 200],
      ['related', { pins: ['nobody'], unit: 'u' }, 404],
      ['related', { pins: ['p1'], unit: '' }, 400],
      ['query', { vector: PINS[0]!.vector }, 200],
    ] as const) {
      const answer = await postJson(`${at}/${path}`, body);
      assert.equal(answer.status, status, JSON.stringify(answer.body));
      assert.equal(answer.body.experiments, undefined);
    }
    await log.flush();
    assert.deepEqual(records, []);
  });

  it('of a batch are recorded for each of its requests, under an id of its own', async (t) => {
    const { at, log, records } = await start(t, { experiments: { layers: [GROUPS.layers[0]] } });
    const requests = [
      { op: 'related', pins: ['p1'], unit: 'u1' },
      { op: 'query', vector: PINS[0]!.vector },
      { op: 'related', pins: ['p2'], variants: { groups: 'one' } },
      { op: 'related', pins: ['nobody'], unit: 'u1' },
    ];
    await postJson(`${at}/batch`, { requests }, { 'x-request-id': 'b' });
    await log.flush();
    assert.deepEqual(
      (records as ExposureRecord[]).map(({ requestId, unit, forced }) => [requestId, unit, forced]),
      [
        ['b/0', 'u1', undefined],
        ['b/2', undefined, true],
      ],
    );
  });

  it('of Notifications are recorded for each user, by whose name experiments draw', async (t) => {
    const surfaces = { notifications: { maxAge: null, minScore: -1 } };
    const experiments = {
      layers: [
        {
          name: 'k',
          salt: 'k',
          parameters: ['notifications.k'],
          experiments: [
            {
              name: 'two',
              surface: 'notifications',
              to: 10_000,
              arms: [{ name: 'a' }, { name: 'b', parameters: { 'notifications.k': 2 } }],
            },
          ],
        },
      ],
    };
    const { at, log, records } = await start(t, { surfaces, experiments });
    const users = ['ann', 'bob', 'eve', 'dan', 'kim', 'lou'].map((user) => ({ user, history: ['p1', 'p2'] }));
    const { body } = await postJson(`${at}/notifications`, { users: [...users, users[0]] });
    await log.flush();
    const exposures = records as ExposureRecord[];
    assert.deepEqual(
      exposures.map(({ unit }) => unit),
      users.map(({ user }) => user),
    );
    for (const [i, { arm, hits }] of exposures.entries()) {
      assert.equal(arm, armBucket('k', 'two', users[i]!.user) < 5000 ? 'a' : 'b');
      assert.equal(hits.length, arm === 'b' ? 2 : 3);
      assert.deepEqual(body.users[i].experiments, [{ experiment: 'two', arm }]);
    }
    assert.equal(new Set(exposures.map(({ arm }) => arm)).size, 2);
  });

  it('that are lost are counted in the metrics, and no answer fails for it', async (t) => {
    const engine = newEngine();
    const index = {
      name: 'demo',
      engine,
      model: null,
      mixer: parseMixerConfig({ experiments: GROUPS }, engine.config),
    };
    const log = new ExposureLog(() => Promise.reject(new Error('the disk is full')));
    const { app, url } = await serve({ catalog: catalogOf([ready(index)]), exposures: log });
    t.after(() => app.close());
    assert.equal((await postJson(`${url}/v1/indexes/demo/related`, { pins: ['p1'], unit: 'u' })).status, 200);
    await log.flush();
    const { body } = await exchange(`${url}/metrics`);
    assert.match(body, /^nearpin_exposures_total\{outcome="failed"\} 2$/m);
    assert.match(body, /^nearpin_experiments\{index="demo"\} 2$/m);
    assert.match(body, /^nearpin_mixer_problem\{index="demo"\} 0$/m);
  });
});

describe('shadows', () => {
  const toOther = (share = 1) => ({ shadows: [{ name: 'next', share, index: 'other' }] });
  const vector = PINS[0]!.vector;

  it('ask another index, or another generation of the same, and record how far the two agree', async (t) => {
    const half = newEngine({ pins: PINS.filter((_, i) => i % 2 === 0) });
    const other = { name: 'other', engine: half, model: null };
    const generation = { name: 'demo', engine: newEngine(), model: null };
    const { at, records, metrics } = await start(
      t,
      {
        shadows: [...toOther().shadows, { name: 'gen', share: 1, generation: '000002', surfaces: ['query'] }],
      },
      { beside: served(generation), others: [ready(other)] },
    );
    const { body } = await postJson(`${at}/query`, { vector, k: 8 }, { 'x-request-id': 'q' });
    await until(() => records.length === 2);
    const [next, gen] = records.map((record) => {
      assert.ok(record.kind === 'shadow');
      return record;
    });
    assert.deepEqual([next!.name, next!.requestId, next!.surface], ['next', 'q', 'query']);
    const ids = body.hits.map(({ id }: { id: string }) => id);
    assert.deepEqual(
      next!.hits.map(({ id }) => id),
      ids,
    );
    assert.equal(next!.shadow.index, 'other');
    const shared = next!.shadow.hits.filter(({ id }) => ids.includes(id)).length;
    assert.ok(shared > 0 && shared < 8);
    assert.equal(next!.overlap, shared / 8);
    assert.deepEqual([gen!.name, gen!.overlap], ['gen', 1]);
    await postJson(`${at}/related`, { pins: ['p0'], k: 8 });
    await until(() => records.length === 3);
    const text = await metrics();
    assert.match(text, /^nearpin_shadow_requests_total\{index="demo",shadow="next",outcome="compared"\} 2$/m);
    assert.match(text, /^nearpin_shadow_requests_total\{index="demo",shadow="gen",outcome="compared"\} 1$/m);
    assert.match(text, /^nearpin_shadow_overlap_count\{index="demo",shadow="gen"\} 1$/m);
    assert.match(text, /^nearpin_shadow_overlap_sum\{index="demo",shadow="gen"\} 1$/m);
    assert.match(text, /^nearpin_shadow_seconds_count\{index="demo",shadow="next",side="shadow"\} 2$/m);
  });

  it('that fail, or have nowhere to go, leave the answers as they are', async (t) => {
    const broken: Engine = { ...newEngine(), search: () => Promise.reject(new Error('broken')) };
    const shadows = [...toOther().shadows, { name: 'gone', share: 1, generation: '000009' }];
    const { at, records, metrics } = await start(
      t,
      { shadows },
      { others: [ready({ name: 'other', engine: broken, model: null })] },
    );
    for (let i = 0; i < 3; i++) assert.equal((await postJson(`${at}/query`, { vector })).status, 200);
    let text = '';
    for (let i = 0; i < 200 && !/"gone",outcome="failed"\} 3$/m.test(text); i++) {
      await turn();
      text = await metrics();
    }
    assert.match(text, /shadow="next",outcome="failed"\} 3$/m);
    assert.match(text, /shadow="gone",outcome="failed"\} 3$/m);
    assert.deepEqual(records, []);
  });

  it('that never end hold up no answer, and cost later shadows only', async (t) => {
    let asked = 0;
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const stuck = newEngine({
      beforeAnswer: () => {
        asked++;
        return held;
      },
    });
    const { at, metrics } = await start(t, toOther(), {
      others: [ready({ name: 'other', engine: stuck, model: null })],
    });
    for (let i = 0; i < 80; i++) assert.equal((await postJson(`${at}/query`, { vector })).status, 200);
    await until(() => asked === 1);
    assert.match(await metrics(), /shadow="next",outcome="dropped"\} 1[0-9]$/m);
    assert.equal(asked, 1);
    release();
  });

  /** A server whose next search of `demo` is held, and whose requests to `related` have a shadow. */
  async function startHeld(t: TestContext, threads?: number) {
    let release = () => {};
    let isHeld = true;
    const engine = newEngine({
      beforeAnswer: () =>
        isHeld
          ? new Promise<void>((resolve) => {
              isHeld = false;
              release = resolve;
            })
          : Promise.resolve(),
    });
    const other = newEngine();
    const started = await start(
      t,
      { shadows: [{ name: 'next', share: 1, index: 'other', surfaces: ['related'] }] },
      { engine, others: [ready({ name: 'other', engine: other, model: null })], ...(threads && { threads }) },
    );
    const slow = postJson(`${started.at}/query`, { vector });
    await until(() => engine.queries.length === 1);
    assert.equal((await postJson(`${started.at}/related`, { pins: ['p1'] })).status, 200);
    return { ...started, slow, other, release: () => release() };
  }

  it('wait while a request needs the only thread, or the last one', async (t) => {
    for (const threads of [1, 2]) {
      const { other, slow, release, records } = await startHeld(t, threads);
      await new Promise((resolve) => setTimeout(resolve, 100));
      assert.equal(other.queries.length, 0);
      release();
      assert.equal((await slow).status, 200);
      await until(() => records.length === 1);
    }
  });

  it('run beside requests when they leave a thread for the next one', async (t) => {
    const { records, slow, release } = await startHeld(t, 3);
    await until(() => records.length === 1);
    release();
    assert.equal((await slow).status, 200);
  });

  it('take their share of the requests', async (t) => {
    const config = toOther(0.3);
    const [shadow] = parseMixerConfig(config, newEngine().config).shadows!;
    const { at, records } = await start(t, config, {
      others: [ready({ name: 'other', engine: newEngine(), model: null })],
    });
    const ids = Array.from({ length: 100 }, (_, i) => `r${i}`);
    for (const id of ids) await postJson(`${at}/query`, { vector }, { 'x-request-id': id });
    const taken = ids.filter((id) => takes(shadow!, 'query', id));
    assert.ok(taken.length > 15 && taken.length < 50);
    await until(() => records.length === taken.length);
    assert.deepEqual(
      records.map(({ requestId }) => requestId),
      taken,
    );
  });
});
