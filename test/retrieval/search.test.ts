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
    assert.deepEqual(byText.hits, byVector.hits);
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
    await refused('bad_request', 'mode', { text: 'red', mode: 'lexical' });
    await refused('model_mismatch', 'model', { text: 'red', model: 'words@2' });
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
