/** Queries against the oracle engine: what is asked of it, what comes back, what is refused and where. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ErrorCode } from '../../src/lib/errors.ts';
import { NearpinError } from '../../src/lib/errors.ts';
import type { MultiAnswer, QueryRequest, RetrievalAnswer } from '../../src/retrieval/contract.ts';
import { askedBy, type OpenIndex } from '../../src/retrieval/open-index.ts';
import { runQuery } from '../../src/retrieval/query.ts';
import { rejects } from '../lib/refuses.ts';
import { memoryEngine } from '../support/memory-engine.ts';
import { ATTRIBUTES, somePins } from '../support/pins.ts';

/** Hears nothing. */
const NO_WATCH = { now: () => 0, took: () => {}, searched: () => {} };
const DIM = 8;
const PINS = somePins(60, DIM, 1);

function open(options: { clock?: () => number; model?: string } = {}) {
  const engine = memoryEngine({ dim: DIM, attributes: ATTRIBUTES, pins: PINS, ...options });
  return { engine, index: { name: 'demo', engine, model: options.model ?? null } satisfies OpenIndex };
}

async function ask(request: QueryRequest, clock = () => 0): Promise<RetrievalAnswer> {
  return (await runQuery(open({ clock }).index, request, clock)) as RetrievalAnswer;
}

async function refused(code: ErrorCode, path: string, request: unknown, index = open().index): Promise<void> {
  await assert.rejects(
    runQuery(index, request as QueryRequest, () => 0),
    (error: unknown) => {
      assert.ok(error instanceof NearpinError, String(error));
      assert.deepEqual([error.code, error.details[0]?.path ?? ''], [code, path]);
      return true;
    },
  );
}

describe('query', () => {
  it('finds ten hits when k is absent, the best first', async () => {
    const { hits, exhausted } = await ask({ vector: PINS[3]!.vector! });
    assert.equal(hits.length, 10);
    assert.equal(hits[0]!.id, 'p3');
    assert.ok(hits.every((hit, i) => i === 0 || hit.score <= hits[i - 1]!.score));
    assert.equal(exhausted, false);
  });

  it('tells how it was searched only when asked', async () => {
    const vector = PINS[5]!.vector!;
    assert.equal('explain' in (await ask({ vector })), false);
    assert.deepEqual((await ask({ vector, explain: true })).explain, [{ plan: 'scan', ef: 0 }]);
    await refused('bad_request', 'explain', { vector, explain: 'yes' });
  });

  it('returns only the parts that are asked for', async () => {
    const vector = PINS[5]!.vector!;
    const [bare] = (await ask({ vector, k: 1 })).hits;
    assert.deepEqual(Object.keys(bare!), ['id', 'score']);
    const [full] = (await ask({ vector, k: 1, include: ['payload', 'attributes', 'vector'] })).hits;
    assert.deepEqual(full!.payload, PINS[5]!.payload);
    assert.deepEqual(full!.attributes, PINS[5]!.attributes);
    assert.equal(full!.vector!.length, DIM);
    const [some] = (await ask({ vector, k: 1, include: ['attributes'] })).hits;
    assert.deepEqual(Object.keys(some!), ['id', 'score', 'attributes']);
  });

  it('answers several vectors in order, each with its own parts', async () => {
    const vectors = [9, 4, 17].map((i) => PINS[i]!.vector!);
    const { index } = open();
    const answer = (await runQuery(index, { vectors, k: 2, include: ['payload'] }, () => 0)) as MultiAnswer;
    assert.deepEqual(
      answer.results.map(({ hits }) => hits[0]!.id),
      ['p9', 'p4', 'p17'],
    );
    for (const { hits } of answer.results)
      for (const hit of hits) assert.deepEqual(hit.payload, PINS[Number(hit.id.slice(1))]!.payload);
  });

  it('hands several vectors to the engine in one turn of the event loop', async () => {
    const { index, engine } = open();
    await runQuery(index, { vectors: PINS.slice(0, 7).map(({ vector }) => vector!) }, () => 0);
    assert.deepEqual(engine.turns, [7]);
  });

  it('never returns an excluded pin and takes integers as ids', async () => {
    const { hits } = await ask({ vector: PINS[3]!.vector!, k: 60, exclude: ['p3', 'unknown', 7] });
    assert.equal(hits.length, 59);
    assert.ok(!hits.some(({ id }) => id === 'p3'));
  });

  it('says when fewer pins match than asked for', async () => {
    const answer = await ask({ vector: PINS[0]!.vector!, filter: { fresh: true, price: { $lt: 10 } } });
    assert.deepEqual([answer.hits.length, answer.exhausted], [4, true]);
  });

  it('passes on ef, exact, minScore and the deadline as a moment', async () => {
    const { index, engine } = open();
    const request = { vector: PINS[0]!.vector!, ef: 99, exact: true, minScore: 0.5, deadlineMs: 30 };
    await runQuery(index, request, () => 1000);
    const { ef, exact, minScore, deadlineAtMs } = engine.queries[0]!;
    assert.deepEqual(
      { ef, exact, minScore, deadlineAtMs },
      { ef: 99, exact: true, minScore: 0.5, deadlineAtMs: 1030 },
    );
  });

  it('reports the time it took by the clock it was given', async () => {
    let now = 5000;
    const answer = await ask({ vector: PINS[0]!.vector! }, () => (now += 1.5));
    assert.equal(answer.tookMs, 1.5);
  });

  it('is deadline_exceeded when nothing was found in time', async () => {
    let now = 0;
    const clock = () => (now += 100);
    const { index } = open({ clock });
    await assert.rejects(runQuery(index, { vector: PINS[0]!.vector!, deadlineMs: 50 }, clock), {
      code: 'deadline_exceeded',
    });
  });

  it('counts a deadline from when the caller came, and ends with the caller', async () => {
    const { index, engine } = open();
    const vector = PINS[0]!.vector!;
    const caller = (deadlineAtMs: number, gone = false) => ({
      arrivedAtMs: 1000,
      deadlineAtMs,
      isGone: () => gone,
    });
    const never = Number.POSITIVE_INFINITY;
    const deadlineOf = async (deadlineAtMs: number, deadlineMs?: number) => {
      await runQuery(
        askedBy(caller(deadlineAtMs), NO_WATCH, index),
        { vector, ...(deadlineMs && { deadlineMs }) },
        () => 1020,
      );
      return engine.queries.at(-1)!.deadlineAtMs;
    };
    assert.equal(await deadlineOf(never), undefined);
    assert.equal(await deadlineOf(never, 50), 1050);
    assert.equal(await deadlineOf(1040, 50), 1040);
    assert.equal(await deadlineOf(1040), 1040);
    const asked = engine.queries.length;
    await rejects(deadlineOf(1020), 'deadline_exceeded');
    await rejects(deadlineOf(never, 20), 'deadline_exceeded');
    await rejects(
      runQuery(askedBy(caller(never, true), NO_WATCH, index), { vector }, () => 1020),
      'deadline_exceeded',
    );
    assert.equal(engine.queries.length, asked);
  });

  it('is what was found when the deadline passed in the middle, and says so', async () => {
    const { index } = open();
    const coverage = { shards: 1, answered: 0, degraded: 'deadline' as const };
    const hits = [{ id: 'p1', score: 0.5 }];
    const found = { hits, ef: 128, generation: 'gen-1', coverage, exhausted: false };
    const late = {
      ...index,
      engine: { ...index.engine, describe: () => index.engine.describe(), search: async () => found },
    };
    const answer = await runQuery(late, { vector: PINS[0]!.vector!, deadlineMs: 50 }, () => 0);
    assert.deepEqual({ ...answer, tookMs: 0 }, { ...answer, tookMs: 0, hits: found.hits, coverage });
  });

  it('refuses a vector of another model', async () => {
    const vector = PINS[0]!.vector!;
    const named = open({ model: 'words@1' }).index;
    await runQuery(named, { vector, model: 'words@1' }, () => 0);
    await refused('model_mismatch', 'model', { vector, model: 'words@2' }, named);
    await refused('model_mismatch', 'model', { vector, model: 'words@1' });
  });

  it('refuses values out of range, naming the place', async () => {
    const vector = PINS[0]!.vector as number[];
    await refused('bad_request', 'vector', {});
    await refused('bad_request', 'vector', { vector, vectors: [vector] });
    await refused('bad_dim', 'vector', { vector: [1, 2] });
    await refused('bad_dim', 'vectors[1]', { vectors: [vector, []] });
    await refused('bad_vector', 'vector[2]', { vector: vector.with(2, Number.NaN) });
    await refused('zero_vector', 'vector', { vector: vector.map(() => 0) });
    await refused('bad_request', 'k', { vector, k: 0 });
    await refused('bad_request', 'k', { vector, k: 2.5 });
    await refused('limit_exceeded', 'k', { vector, k: 1001 });
    await refused('limit_exceeded', 'ef', { vector, ef: 4097 });
    await refused('bad_request', 'ef', { vector, ef: 0 });
    await refused('bad_request', 'minScore', { vector, minScore: Number.NaN });
    await refused('bad_request', 'deadlineMs', { vector, deadlineMs: 0 });
    await refused('bad_request', 'include[1]', { vector, include: ['payload', 'everything'] });
    await refused('bad_pin_id', 'exclude[1]', { vector, exclude: ['a', ''] });
    await refused('limit_exceeded', 'exclude', { vector, exclude: Array(1001).fill('a') });
    await refused('limit_exceeded', 'vectors', { vectors: Array(101).fill(vector) });
    await refused('bad_filter', 'filter.colour', { vector, filter: { colour: 'red' } });
  });
});
