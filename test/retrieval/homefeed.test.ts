/** Homefeed: who gets which pins, and what never comes. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { PinInput } from '../../src/index/pin.ts';
import { NearpinError } from '../../src/lib/errors.ts';
import { LIMITS } from '../../src/lib/limits.ts';
import { Prng } from '../../src/lib/prng.ts';
import type { HomefeedRequest } from '../../src/retrieval/contract.ts';
import { runHomefeed } from '../../src/retrieval/homefeed.ts';
import type { OpenIndex } from '../../src/retrieval/open-index.ts';
import { bloomAdd, emptyBloom } from '../../src/retrieval/seen.ts';
import { memoryEngine } from '../support/memory-engine.ts';

const DIM = 8;
const PER_SUBJECT = 30;
const DAY_MS = 86_400_000;
const NOW_MS = 1000 * DAY_MS;
const SUBJECTS = ['lamps', 'sofas', 'shoes'] as const;

/** Pins of three subjects, each about an axis of its own; the later in the list the fresher, by days. */
function drawPins(): PinInput[] {
  const prng = new Prng(1);
  return SUBJECTS.flatMap((subject, axis) =>
    Array.from({ length: PER_SUBJECT }, (_, i) => ({
      id: `${subject}-${i}`,
      vector: Array.from({ length: DIM }, (_, d) => (d === axis ? 1 : 0) + 0.1 * prng.normal()),
      attributes: { subject, at: NOW_MS - (PER_SUBJECT - i) * DAY_MS, saves: (i * 7 + axis) % 50 },
    })),
  );
}

const PINS = drawPins();
const ATTRIBUTES = { subject: 'keyword', at: 'time', saves: 'number' } as const;

function open(pins: readonly PinInput[] = PINS, more: Partial<OpenIndex> = {}) {
  const engine = memoryEngine({ dim: DIM, attributes: ATTRIBUTES, pins, model: 'test@1' });
  const index: OpenIndex = { name: 'test', model: 'test@1', engine, ...more };
  const ask = (request: HomefeedRequest) => runHomefeed(index, request, () => NOW_MS);
  return { engine, ask };
}

const subjects = (hits: readonly { readonly id: string }[]) => hits.map(({ id }) => id.split('-')[0]);
const count = (hits: readonly { readonly id: string }[], subject: string) =>
  subjects(hits).filter((each) => each === subject).length;

async function refused(code: string, path: string, request: unknown): Promise<void> {
  await assert.rejects(open().ask(request as HomefeedRequest), (error: unknown) => {
    assert.ok(error instanceof NearpinError, String(error));
    assert.deepEqual([error.code, error.details[0]?.path], [code, path]);
    return true;
  });
}

describe('homefeed', () => {
  it('gives each interest its share, by the pin in its middle', async () => {
    const history = ['lamps-1', 'lamps-2', 'lamps-3', 'lamps-4', 'sofas-1', 'sofas-2'];
    const sources = { interests: { blend: 'importance' } };
    const { hits } = await open().ask({ history, k: 12, sources });
    assert.equal(hits.length, 12);
    assert.equal(count(hits, 'lamps'), 8);
    assert.equal(count(hits, 'sofas'), 4);
    const told = new Set(hits.map(({ source }) => source!.replace(/-\d+$/, '')));
    assert.deepEqual([...told].sort(), ['interests:lamps', 'interests:sofas']);
  });

  it('counts what is old for less', async () => {
    const at = (days: number) => NOW_MS - days * DAY_MS;
    const history = [
      { id: 'lamps-1', at: at(600) },
      { id: 'lamps-2', at: new Date(at(600)).toISOString() },
      { id: 'sofas-1', at: at(0) },
    ];
    const { hits } = await open().ask({ history, k: 10 });
    assert.equal(count(hits, 'sofas'), 10);
    const weighted = history.map((pin) => ({ ...pin, weight: pin.id.startsWith('lamps') ? 1024 : 1 }));
    assert.ok(count((await open().ask({ history: weighted, k: 10 })).hits, 'lamps') > 5);
  });

  it('never shows what was saved or seen, in whatever form that is told, and nothing twice', async () => {
    const anyId = fc.constantFrom(...PINS.map(({ id }) => id));
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyId, { maxLength: 12 }),
        fc.array(anyId, { maxLength: 80 }),
        fc.array(anyId, { maxLength: 5 }),
        fc.integer({ min: 1, max: 40 }),
        fc.boolean(),
        async (history, seen, exclude, k, asBloom) => {
          const bloom = emptyBloom(Math.max(1, seen.length), 1e-9);
          for (const id of seen) bloomAdd(bloom, id);
          const { hits } = await open().ask({ history, seen: asBloom ? { bloom } : seen, exclude, k });
          const hidden = new Set([...history, ...seen, ...exclude]);
          const ids = hits.map(({ id }) => id);
          assert.ok(ids.every((id) => !hidden.has(id)));
          assert.equal(new Set(ids).size, ids.length);
          // As long as there is something else it is shown
          assert.equal(ids.length, Math.min(k, PINS.length - hidden.size));
        },
      ),
      { seed: 1, numRuns: 150 },
    );
  });

  it('shows the freshest and the most saved pins to who is new, in what they may see', async () => {
    const { hits } = await open().ask({ history: [], k: 6, filter: { subject: 'shoes' } });
    const of = (source: string) => hits.filter((hit) => hit.source === source).map(({ id }) => id);
    assert.deepEqual(
      of('fresh'),
      [29, 28, 27].map((i) => `shoes-${i}`),
    );
    const saves = ({ attributes }: PinInput) => attributes!.saves as number;
    const mostSaved = PINS.filter(({ id }) => id.startsWith('shoes') && !of('fresh').includes(id))
      .sort((a, b) => saves(b) - saves(a))
      .map(({ id }) => id);
    assert.deepEqual(of('popular'), mostSaved.slice(0, 3));
  });

  it('shows something to who is new where pins have no time', async () => {
    const bare = PINS.map(({ id, vector }) => ({ id, vector: vector! }));
    const engine = memoryEngine({ dim: DIM, pins: bare });
    const ask = (seed: number) =>
      runHomefeed({ name: 'test', model: null, engine }, { history: [], k: 5, seed }, () => NOW_MS);
    const { hits } = await ask(1);
    assert.equal(hits.length, 5);
    assert.deepEqual((await ask(1)).hits, hits);
    assert.notDeepEqual((await ask(2)).hits, hits);
  });

  it('goes by another number where a surface names it', async () => {
    const renamed = PINS.map(({ attributes, ...pin }) => ({
      ...pin,
      attributes: { repins: attributes!.saves! },
    }));
    const engine = memoryEngine({ dim: DIM, attributes: { repins: 'number' }, pins: renamed });
    const index = { name: 'test', model: null, engine };
    const ask = (sources: HomefeedRequest['sources']) =>
      runHomefeed(index, { history: [], k: 3, sources: sources!, include: ['attributes'] }, () => NOW_MS);
    const { hits } = await ask({ popular: { field: 'repins' } });
    assert.deepEqual(
      hits.map(({ attributes }) => attributes!.repins),
      renamed
        .map(({ attributes }) => attributes.repins as number)
        .sort((a, b) => b - a)
        .slice(0, 3),
    );
    const unnamed = await ask({});
    assert.ok(unnamed.hits.every(({ source }) => source === 'any'));
  });

  it('follows topics: by vector, by pin and by text, each within its filter', async () => {
    const embed = async (texts: readonly string[]) =>
      texts.map((text) =>
        Float32Array.from({ length: DIM }, (_, d) => (d === SUBJECTS.indexOf(text as never) ? 1 : 0)),
      );
    const vector = Array.from({ length: DIM }, (_, d) => (d === 0 ? 1 : 0));
    const { hits } = await open(PINS, { embed }).ask({
      history: [],
      topics: [
        { name: 'light', vector, filter: { at: { $lt: NOW_MS - 20 * DAY_MS } } },
        { pin: 'sofas-3' },
        { text: 'shoes', weight: 2 },
      ],
      k: 8,
    });
    assert.deepEqual([count(hits, 'lamps'), count(hits, 'sofas'), count(hits, 'shoes')], [2, 2, 4]);
    for (const { id, source } of hits) {
      if (id.startsWith('lamps')) assert.ok(Number(id.split('-')[1]) < 10, id);
      assert.equal(
        source,
        { lamps: 'topics:light', sofas: 'topics:2', shoes: 'topics:3' }[id.split('-')[0]!],
      );
    }
  });

  it('skips pins that are gone and says how many', async () => {
    const history = ['lamps-1', 'gone', 'lamps-2', { id: 'gone too', weight: 9 }];
    const answer = await open().ask({ history, topics: [{ pin: 'gone' }], k: 3 });
    assert.equal(answer.skipped, 3);
    assert.equal(count(answer.hits, 'lamps'), 3);
  });

  it('has nothing when all is seen or nothing passes the filter, which is no error', async () => {
    const seen = PINS.map(({ id }) => id);
    const all = await open().ask({ history: ['lamps-1'], seen, k: 5 });
    assert.deepEqual([all.hits, all.exhausted], [[], true]);
    const none = await open().ask({ history: ['lamps-1'], filter: { subject: 'hats' }, k: 5 });
    assert.deepEqual([none.hits, none.exhausted], [[], true]);
    const empty = await open([]).ask({ history: ['lamps-1'], k: 5 });
    assert.deepEqual([empty.hits, empty.exhausted, empty.skipped], [[], true, 1]);
  });

  it('draws interests by the seed where there are more than it asks for', async () => {
    const history = ['lamps-1', 'sofas-1', 'shoes-1'];
    const sources = { interests: { most: 1 } };
    const ask = async (seed: number) =>
      subjects((await open().ask({ history, k: 4, sources, seed })).hits)[0]!;
    const drawn = new Set<string>();
    for (let seed = 0; seed < 20; seed++) {
      drawn.add(await ask(seed));
      assert.equal(await ask(seed), await ask(seed));
    }
    assert.equal(drawn.size, 3);
    const units = Array.from({ length: 20 }, (_, i) => `user-${i}`);
    const ofUnits = await Promise.all(
      units.map(async (unit) => subjects((await open().ask({ history, k: 4, sources, unit })).hits)[0]!),
    );
    assert.equal(new Set(ofUnits).size, 3);
  });

  it('refuses bad input with its place', async () => {
    const history = ['lamps-1'];
    await refused('bad_request', 'history', {});
    await refused('bad_request', 'history', { history: 'lamps-1' });
    await refused('bad_pin_id', 'history[1]', { history: ['a', ''] });
    await refused('bad_request', 'history[0].weight', { history: [{ id: 'a', weight: 0 }] });
    await refused('bad_request', 'history[0].weight', { history: [{ id: 'a', weight: Number.NaN }] });
    await refused('bad_request', 'history[0].at', { history: [{ id: 'a', at: 'yesterday' }] });
    await refused('bad_request', 'history[0].when', { history: [{ id: 'a', when: 1 }] });
    await refused('limit_exceeded', 'history', { history: new Array(LIMITS.historyMax + 1).fill('a') });
    await refused('bad_pin_id', 'seen[0]', { history, seen: [''] });
    await refused('bad_request', 'topics[0]', { history, topics: [{}] });
    await refused('bad_request', 'topics[0]', { history, topics: [{ pin: 'a', text: 'b' }] });
    await refused('bad_dim', 'topics[0].vector', { history, topics: [{ vector: [1] }] });
    await refused('bad_filter', 'topics[0].filter.hue', {
      history,
      topics: [{ pin: 'a', filter: { hue: 1 } }],
    });
    await refused('bad_request', 'topics[0].name', { history, topics: [{ pin: 'a', name: '' }] });
    await refused('limit_exceeded', 'topics', { history, topics: new Array(33).fill({ pin: 'a' }) });
    await refused('bad_request', 'seed', { history, seed: -1 });
    await refused('limit_exceeded', 'k', { history, k: LIMITS.kMax + 1 });
    await refused('bad_request', 'sources.interests.most', { history, sources: { interests: { most: 0 } } });
    await refused('bad_request', 'sources.interests.blend', {
      history,
      sources: { interests: { blend: 'x' } },
    });
    for (const name of ['fresh', 'popular'])
      await refused('bad_request', `sources.${name}.field`, {
        history,
        sources: { [name]: { field: 'subject' } },
      });
  });
});
