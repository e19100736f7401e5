/** Batches: order, one fate per item, paths from the body's root, and everything in one turn. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { errorAt } from '../../src/lib/errors.ts';
import { runBatch } from '../../src/retrieval/batch.ts';
import type { BatchItem, Problem, RetrievalAnswer } from '../../src/retrieval/contract.ts';
import { runQuery } from '../../src/retrieval/query.ts';
import { runRelated } from '../../src/retrieval/related.ts';
import { memoryEngine } from '../support/memory-engine.ts';
import { ATTRIBUTES, somePins, wordModel } from '../support/pins.ts';

const DIM = 8;
const PINS = somePins(40, DIM, 5);

function open() {
  const engine = memoryEngine({ dim: DIM, attributes: ATTRIBUTES, pins: PINS });
  const embedded: string[][] = [];
  const model = wordModel(DIM);
  const embed = (texts: readonly string[]) => {
    embedded.push([...texts]);
    return model(texts);
  };
  return { engine, embedded, index: { name: 'demo', engine, model: 'words@1', embed } };
}

const vector = PINS[0]!.vector!;

describe('batch', () => {
  it('answers each item as it would be answered alone, in order', async () => {
    const { index } = open();
    const requests: BatchItem[] = [
      { op: 'related', pins: ['p3'], k: 4 },
      { op: 'query', vector, k: 3 },
      { op: 'query', vectors: [vector, vector], k: 1 },
    ];
    const { answers } = await runBatch(index, { requests }, () => 0);
    assert.deepEqual(answers[0], await runRelated(index, { pins: ['p3'], k: 4 }, () => 0));
    assert.deepEqual(answers[1], await runQuery(index, { vector, k: 3 }, () => 0));
    assert.deepEqual(answers[2], await runQuery(index, { vectors: [vector, vector], k: 1 }, () => 0));
  });

  it('refuses an item without touching its neighbours, with paths from the root of the body', async () => {
    const { index } = open();
    const { answers } = await runBatch(
      index,
      {
        requests: [
          { op: 'query', vector },
          { op: 'query', vectors: [vector, [1]] },
          { op: 'related', pins: ['gone'] },
          { op: 'guess' } as never,
          null as never,
          { op: 'query', vector, filter: { colour: 1 } },
          { op: 'search', text: 'red' },
        ],
      },
      () => 0,
    );
    const problems = answers.map((answer) => {
      const { code, status, errors } = answer as Partial<Problem>;
      return [code, status, errors?.[0]?.path];
    });
    assert.deepEqual(problems, [
      [undefined, undefined, undefined],
      ['bad_dim', 400, 'requests[1].vectors[1]'],
      ['unknown_pin', 404, 'requests[2].pins[0]'],
      ['bad_request', 400, 'requests[3].op'],
      ['bad_request', 400, 'requests[4].op'],
      ['bad_filter', 400, 'requests[5].filter.colour'],
      [undefined, undefined, undefined],
    ]);
    assert.match((answers[1] as Problem).detail, /^requests\[1\]\.vectors\[1\]: has 1 dimensions/);
    assert.equal((answers[6] as RetrievalAnswer).hits.length, 10);
  });

  it('hands all searches to the engine in one turn and all texts to the model in one call', async () => {
    const { index, engine, embedded } = open();
    const query: BatchItem = { op: 'query', vector };
    await runBatch(index, { requests: Array(9).fill(query) }, () => 0);
    assert.deepEqual(engine.turns, [9]);

    const requests = ['red', 'unheard', 'green blue'].map((text): BatchItem => ({ op: 'search', text }));
    const { answers } = await runBatch(index, { requests }, () => 0);
    assert.deepEqual(embedded, [['red', 'unheard', 'green blue']]);
    assert.deepEqual(
      answers.map((answer) => (answer as Partial<Problem>).code),
      [undefined, 'zero_vector', undefined],
    );
  });

  it('checks items through the hook and reports faults to the other, telling callers nothing of them', async () => {
    const { index } = open();
    const faults: unknown[] = [];
    const fault = new Error('secret');
    const broken = { ...index, engine: { ...index.engine, pins: () => Promise.reject(fault) } };
    const { answers } = await runBatch(
      broken,
      {
        requests: [
          { op: 'query', vector, k: 1 },
          { op: 'query', vector },
          { op: 'related', pins: ['p1'] },
        ],
      },
      () => 0,
      {
        check: (item) => {
          if ((item as { k?: number }).k === 1) throw errorAt('bad_request', 'k', 'must not be 1');
        },
        onFault: (error) => faults.push(error),
      },
    );
    assert.equal((answers[0] as Problem).errors![0]!.path, 'requests[0].k');
    assert.ok('hits' in answers[1]!);
    assert.deepEqual([(answers[2] as Problem).code, (answers[2] as Problem).status], ['internal', 500]);
    assert.ok(!JSON.stringify(answers[2]).includes('secret'));
    assert.deepEqual(faults, [fault]);
  });

  it('refuses a batch that is none, and answers an empty one', async () => {
    const { index } = open();
    const query: BatchItem = { op: 'query', vector };
    await assert.rejects(
      runBatch(index, {} as never, () => 0),
      { code: 'bad_request' },
    );
    await assert.rejects(
      runBatch(index, { requests: Array(101).fill(query) }, () => 0),
      { code: 'limit_exceeded' },
    );
    assert.deepEqual(await runBatch(index, { requests: [] }, () => 0), { answers: [] });
  });
});
