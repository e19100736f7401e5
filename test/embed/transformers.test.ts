import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { describe } from 'node:test';
import { openEmbedder } from '../../src/embed/models.ts';
import { NearpinError } from '../../src/lib/errors.ts';
import { scratch, skipWithoutLibrary, TINY_DIM, tinyRow, writeOnnxModel } from './tiny-models.ts';

function meanOf(...tokens: string[]): number[] {
  const rows = tokens.map(tinyRow);
  return rows[0]!.map((_, d) => rows.reduce((sum, row) => sum + row[d]!, 0) / rows.length);
}
function assertNear(actual: ArrayLike<number>, expected: readonly number[]): void {
  assert.equal(actual.length, expected.length);
  for (const [i, value] of expected.entries())
    assert.ok(Math.abs(actual[i]! - value) < 1e-5, `${Array.from(actual)} is not ${expected}`);
}

describe('a transformers model', () => {
  test('pools by the mean, without the padding of its batch', async (t) => {
    if (skipWithoutLibrary(t)) return;
    const name = await writeOnnxModel(join(await scratch(t), 'tiny'));
    const embedder = await openEmbedder({ name, normalize: false });
    t.after(() => embedder.close());
    assert.deepEqual([embedder.dim, embedder.description.pooling], [TINY_DIM, 'mean']);
    const texts = ['big old red lamps', 'red', 'old zeppelin chair'];
    const [long, short, unknown] = await embedder.embed(texts, 'document');
    assertNear(long!, meanOf('[CLS]', 'big', 'old', 'red', 'lamp', '##s', '[SEP]'));
    assertNear(short!, meanOf('[CLS]', 'red', '[SEP]'));
    assertNear(unknown!, meanOf('[CLS]', 'old', '[UNK]', 'chair', '[SEP]'));
  });

  test('pools by the first token', async (t) => {
    if (skipWithoutLibrary(t)) return;
    const name = await writeOnnxModel(join(await scratch(t), 'tiny'), { framed: false });
    const embedder = await openEmbedder({ name, normalize: false, pooling: 'cls' });
    t.after(() => embedder.close());
    const [first, second] = await embedder.embed(['lamp red', 'chair lamp old'], 'document');
    assertNear(first!, tinyRow('lamp'));
    assertNear(second!, tinyRow('chair'));
  });

  test('gives unit length, and zero to a text without tokens, alone or among others', async (t) => {
    if (skipWithoutLibrary(t)) return;
    const folder = await scratch(t);
    for (const framed of [true, false]) {
      const name = await writeOnnxModel(join(folder, `framed-${framed}`), { framed });
      const embedder = await openEmbedder({ name });
      t.after(() => embedder.close());
      const lengths = async (...texts: string[]) =>
        (await embedder.embed(texts, 'query')).map((vector) => Math.round(Math.hypot(...vector) * 1e6) / 1e6);
      assert.deepEqual(await lengths('red', '', 'blue chair', '\u200b', ' '), [1, 0, 1, 0, 0]);
      assert.deepEqual(await lengths('\u200b', ''), [0, 0]);
    }
  });

  test('keeps the order of many texts of all lengths', async (t) => {
    if (skipWithoutLibrary(t)) return;
    const name = await writeOnnxModel(join(await scratch(t), 'tiny'), { framed: false });
    const embedder = await openEmbedder({ name, normalize: false });
    t.after(() => embedder.close());
    const words = ['red', 'blue', 'lamp', 'chair', 'old'];
    const texts = Array.from({ length: 200 }, (_, i) =>
      Array.from({ length: 1 + ((i * 7) % 13) }, (_, j) => words[(i + j * j) % words.length]!),
    );
    const vectors = await embedder.embed(
      texts.map((text) => text.join(' ')),
      'document',
    );
    assert.equal(vectors.length, texts.length);
    for (const [i, text] of texts.entries()) assertNear(vectors[i]!, meanOf(...text));
  });

  test('whose weights are damaged is refused', async (t) => {
    if (skipWithoutLibrary(t)) return;
    const folder = await scratch(t);
    const whole = await readFile(join(await writeOnnxModel(join(folder, 'whole')), 'onnx/model.onnx'));
    const damaged = [Buffer.alloc(0), Buffer.from('not a model'), whole.subarray(0, whole.length >> 1)];
    for (const [i, bytes] of damaged.entries()) {
      const name = await writeOnnxModel(join(folder, `damaged-${i}`));
      await writeFile(join(name, 'onnx/model.onnx'), bytes);
      await assert.rejects(openEmbedder({ name }), (error: unknown) => {
        assert.ok(error instanceof NearpinError);
        assert.equal(error.code, 'model_unavailable');
        assert.match(error.message, new RegExp(`damaged-${i}`));
        return true;
      });
    }
  });
});
