/** Search by text: the model's vector is what is searched with; texts that are none are refused at `text`. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { NearpinError } from '../../src/lib/errors.ts';
import type { RetrievalAnswer, SearchRequest } from '../../src/retrieval/contract.ts';
import type { OpenIndex } from '../../src/retrieval/open-index.ts';
import { runQuery } from '../../src/retrieval/query.ts';
import { runSearch } from '../../src/retrieval/search.ts';
import { memoryEngine } from '../support/memory-engine.ts';
import { ATTRIBUTES, somePins, wordModel } from '../support/pins.ts';

const DIM = 8;
const engine = memoryEngine({ dim: DIM, metric: 'l2', attributes: ATTRIBUTES, pins: somePins(50, DIM, 3) });
const embed = wordModel(DIM);
const index: OpenIndex = { name: 'demo', engine, model: 'words@1', embed };

async function refused(
  code: string,
  path: string | undefined,
  request: unknown,
  other = index,
): Promise<void> {
  await assert.rejects(
    runSearch(other, request as SearchRequest, () => 0),
    (error: unknown) => {
      assert.ok(error instanceof NearpinError, String(error));
      assert.deepEqual([error.code, error.details[0]?.path], [code, path]);
      return true;
    },
  );
}

describe('search', () => {
  it('answers a text like a query with its vector', async () => {
    const [vector] = await embed(['old red']);
    const byText = await runSearch(index, { text: 'old red', k: 7 }, () => 0);
    const byVector = (await runQuery(index, { vector: vector!, k: 7 }, () => 0)) as RetrievalAnswer;
    const withSource = byVector.hits.map((hit) => ({ ...hit, source: 'text:dense' }));
    assert.deepEqual(byText.hits, withSource);
    assert.equal(byText.model, 'words@1');
    assert.deepEqual((await runSearch(index, { vector: vector!, k: 7 }, () => 0)).hits, byText.hits);
  });

  it('refuses texts that cannot be searched with, at text', async () => {
    await refused('bad_request', 'text', {});
    await refused('bad_request', 'text', { text: 'red', vector: [1] });
    await refused('bad_request', 'text', { text: ' \n' });
    await refused('bad_request', 'text', { text: 5 });
    await refused('limit_exceeded', 'text', { text: 'x'.repeat(8193) });
    await refused('zero_vector', 'text', { text: 'unheard of' });
    await refused('bad_request', 'mode', { text: 'red', mode: 'vague' });
    for (const mode of ['lexical', 'hybrid'])
      await refused('bad_request', 'mode', { vector: [1, 2, 3, 4, 5, 6, 7, 8], mode });
    for (const mode of ['lexical', 'hybrid']) await refused('bad_request', 'text', { text: ' ', mode });
    await refused('bad_request', 'fusion.method', { text: 'red', fusion: { method: 'luck' } });
    await refused('bad_request', 'fusion.weights.dense', { text: 'red', fusion: { weights: { dense: -1 } } });
    await refused('bad_request', 'fusion.weights', {
      text: 'red',
      fusion: { weights: { dense: 0, lexical: 0 } },
    });
    await refused('bad_request', 'fusion.k', { text: 'red', fusion: { k: 3 } });
    await refused('model_mismatch', 'model', { text: 'red', model: 'words@2' });
  });

  it('finds the words of pins, and those that a filter leaves', async () => {
    const found = await runSearch(index, { text: 'pin 7', mode: 'lexical', k: 3 }, () => 0);
    assert.equal(found.hits[0]!.id, 'p7');
    assert.equal(found.hits[0]!.source, 'text:lexical');
    const filter = { price: { $gt: 30 } };
    const { hits } = await runSearch(index, { text: 'pin 7', mode: 'lexical', k: 50, filter }, () => 0);
    assert.deepEqual(
      hits.map(({ id }) => id).sort(),
      somePins(50, DIM, 3)
        .slice(30)
        .map(({ id }) => id)
        .sort(),
    );
    const none = await runSearch(index, { text: 'unheard of', mode: 'lexical' }, () => 0);
    assert.deepEqual([none.hits, none.exhausted], [[], true]);
  });

  it('finds both ways at once, with what each would have scored', async () => {
    const request = { text: 'red 7', k: 50, mode: 'hybrid', explain: true } as const;
    const both = await runSearch(index, request, () => 0);
    assert.equal(both.hits.length, 50);
    assert.equal(both.hits.find(({ id }) => id === 'p7')!.source, 'text:both');
    assert.equal(both.hits.find(({ id }) => id === 'p8')!.source, 'text:dense');
    const dense = await runSearch(index, { ...request, mode: 'dense' }, () => 0);
    const onlyDense = await runSearch(index, { ...request, fusion: { weights: { lexical: 0 } } }, () => 0);
    assert.deepEqual(
      onlyDense.hits.map(({ id }) => id),
      dense.hits.map(({ id }) => id),
    );
    const onlyLexical = await runSearch(index, { ...request, fusion: { weights: { dense: 0 } } }, () => 0);
    assert.equal(onlyLexical.hits[0]!.id, 'p7');
    const byRanks = await runSearch(index, { ...request, fusion: { method: 'ranks' } }, () => 0);
    assert.notDeepEqual(byRanks.hits, both.hits);
    const good = await runSearch(index, { ...request, minScore: 0.3 }, () => 0);
    assert.deepEqual(
      good.hits,
      both.hits.filter(({ score }) => score >= 0.3),
    );
    const without = await runSearch(index, { ...request, exclude: ['p7'] }, () => 0);
    assert.ok(without.hits.every(({ id }) => id !== 'p7'));
  });

  it('goes by words alone where the model knows none of them, and by the vector where no pin has any', async () => {
    const byWords = await runSearch(index, { text: 'pin 7', mode: 'hybrid', k: 2 }, () => 0);
    assert.deepEqual([byWords.hits[0]!.id, byWords.hits[0]!.source], ['p7', 'text:lexical']);
    const byVector = await runSearch(index, { text: 'old', mode: 'hybrid', k: 2 }, () => 0);
    const dense = await runSearch(index, { text: 'old', k: 2 }, () => 0);
    assert.deepEqual(
      byVector.hits.map(({ id }) => id),
      dense.hits.map(({ id }) => id),
    );
    const noModel = { name: 'demo', engine, model: null };
    const found = await runSearch(noModel, { text: 'pin 7', mode: 'hybrid', k: 2 }, () => 0);
    assert.equal(found.hits[0]!.id, 'p7');
    const neither = await runSearch(index, { text: 'unheard of', mode: 'hybrid' }, () => 0);
    assert.deepEqual([neither.hits, neither.exhausted], [[], true]);
  });

  it('takes its mode from the surface where the request says none', async () => {
    const surfaces = { search: { sources: { text: { mode: 'lexical' } } } } as const;
    const lexical = { ...index, mixer: { surfaces, experiments: undefined } } as unknown as OpenIndex;
    const { hits } = await runSearch(lexical, { text: 'pin 7', k: 1 }, () => 0);
    assert.equal(hits[0]!.source, 'text:lexical');
    const dense = await runSearch(lexical, { text: 'red', k: 1, mode: 'dense' }, () => 0);
    assert.equal(dense.hits[0]!.source, 'text:dense');
    const vector = [1, 2, 3, 4, 5, 6, 7, 8];
    assert.equal((await runSearch(lexical, { vector, k: 1 }, () => 0)).hits[0]!.source, 'text:dense');
  });

  it('says why it finds nothing by both where no pin has words', async () => {
    const wordless = memoryEngine({
      dim: DIM,
      metric: 'l2',
      pins: somePins(5, DIM, 3).map(({ id, vector }) => ({ id, vector: vector! })),
    });
    const of = (more: object) => ({ name: 'demo', engine: wordless, model: 'words@1', embed, ...more });
    await refused('zero_vector', 'text', { text: 'unheard of', mode: 'hybrid' }, of({}));
    await refused('no_model', undefined, { text: 'red', mode: 'hybrid' }, of({ model: null }));
    assert.equal((await runSearch(of({}), { text: 'red', mode: 'hybrid' }, () => 0)).hits.length, 5);
  });

  it('says where an engine knows no words', async () => {
    const { lexical: _, ...others } = engine;
    await refused('not_supported', undefined, { text: 'red', mode: 'lexical' }, { ...index, engine: others });
  });

  it('says whether the model is missing or only not loaded', async () => {
    await refused('no_model', undefined, { text: 'red' }, { name: 'demo', engine, model: null });
    await refused(
      'model_unavailable',
      undefined,
      { text: 'red' },
      { name: 'demo', engine, model: 'words@1' },
    );
  });
});
