/** The memory for embeddings of queries: what is asked again is not made again, what failed is. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Embed } from '../../src/retrieval/open-index.ts';
import { rememberQueries } from '../../src/retrieval/query-embeddings.ts';

const vectorOf = (text: string) => Float32Array.of(text.length, text.charCodeAt(0));

function counting(): { readonly embed: Embed; readonly calls: [readonly string[], string][] } {
  const calls: [readonly string[], string][] = [];
  const embed: Embed = async (texts, kind) => {
    calls.push([texts, kind]);
    await Promise.resolve();
    return texts.map(vectorOf);
  };
  return { embed, calls };
}

describe('embeddings of queries', () => {
  test('are made once for those who ask at the same time, and for those who ask again', async () => {
    const { embed, calls } = counting();
    const remembering = rememberQueries(embed, 10);
    const both = await Promise.all([remembering(['red'], 'query'), remembering(['red'], 'query')]);
    assert.deepEqual(both, [[vectorOf('red')], [vectorOf('red')]]);
    await remembering(['red'], 'query');
    assert.deepEqual(calls, [[['red'], 'query']]);
  });

  test('are asked for in one call where several are new, each once', async () => {
    const { embed, calls } = counting();
    const remembering = rememberQueries(embed, 10);
    await remembering(['red'], 'query');
    const texts = ['blue', 'red', 'green', 'blue'];
    assert.deepEqual(await remembering(texts, 'query'), texts.map(vectorOf));
    assert.deepEqual(calls[1], [['blue', 'green'], 'query']);
  });

  test('do not take documents for queries', async () => {
    const { embed, calls } = counting();
    const remembering = rememberQueries(embed, 10);
    await remembering(['red'], 'query');
    await remembering(['red'], 'document');
    await remembering(['red'], 'document');
    assert.equal(calls.length, 3);
  });

  test('are made anew where they failed, for all who waited', async () => {
    let fails = true;
    const remembering = rememberQueries(async (texts) => {
      if (fails) throw new Error('no model');
      return texts.map(vectorOf);
    }, 10);
    const asked = await Promise.allSettled([
      remembering(['red'], 'query'),
      remembering(['red', 'blue'], 'query'),
    ]);
    assert.deepEqual(
      asked.map(({ status }) => status),
      ['rejected', 'rejected'],
    );
    fails = false;
    assert.deepEqual(await remembering(['red'], 'query'), [vectorOf('red')]);
  });

  test('are those of the model, and no more than so many are kept, the last asked for', async () => {
    const word = fc.constantFrom('a', 'bb', 'ccc', 'dddd', 'x'.repeat(600));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(word, { minLength: 1, maxLength: 3 })), async (asked) => {
        const { embed, calls } = counting();
        const remembering = rememberQueries(embed, 2);
        let kept: string[] = [];
        for (const texts of asked) {
          const before = calls.length;
          assert.deepEqual(await remembering(texts, 'query'), texts.map(vectorOf));
          const distinct = [...new Set(texts)];
          const fresh = distinct.filter((text) => !kept.includes(text));
          assert.deepEqual(
            calls.slice(before).map(([made]) => made),
            fresh.length > 0 ? [fresh] : [],
          );
          const again = texts.filter((text) => kept.includes(text));
          for (const text of again) kept = [...kept.filter((other) => other !== text), text];
          for (const text of fresh) kept = [...kept, text].slice(-2);
          kept = kept.filter((text) => text.length <= 512);
        }
      }),
      { seed: 1, numRuns: 200 },
    );
  });
});
