import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { describe } from 'node:test';
import { loadStaticModel } from '../../src/embed/static.ts';
import { NearpinError } from '../../src/lib/errors.ts';
import {
  safetensors,
  scratch,
  skipWithoutLibrary,
  TINY_DIM,
  TINY_TOKENS,
  tinyRow,
  writeStaticModel,
} from './tiny-models.ts';

/** The mean of the tokens' vectors, and its unit vector. */
function meanOf(...tokens: string[]): Float32Array {
  const rows = tokens.map(tinyRow);
  return Float32Array.from(rows[0]!, (_, d) => rows.reduce((sum, row) => sum + row[d]!, 0) / rows.length);
}
function unitOf(...tokens: string[]): Float32Array {
  const mean = meanOf(...tokens);
  return mean.map((value) => value / Math.hypot(...mean));
}
function assertNear(actual: Float32Array, expected: Float32Array): void {
  assert.equal(actual.length, expected.length);
  for (const [i, value] of actual.entries())
    assert.ok(Math.abs(value - expected[i]!) < 1e-6, `${actual} is not ${expected}`);
}

describe('a static model', () => {
  test('gives the mean of the tokens, in f32 as in f16, of unit length where asked', async (t) => {
    if (skipWithoutLibrary(t)) return;
    for (const half of [false, true]) {
      const folder = await writeStaticModel(await scratch(t), { half });
      const plain = await loadStaticModel(folder, false);
      assertNear(await plain.embed(['Old RED lamps']), meanOf('old', 'red', 'lamp', '##s'));
      const unit = await loadStaticModel(folder, true);
      assert.equal(unit.dim, TINY_DIM);
      assertNear(await unit.embed(['Old RED lamps']), unitOf('old', 'red', 'lamp', '##s'));
    }
  });

  test('gives one vector after the other, in the order of the texts', async (t) => {
    if (skipWithoutLibrary(t)) return;
    const model = await loadStaticModel(await writeStaticModel(await scratch(t)), true);
    const flat = await model.embed(['red', 'big blue chair', 'lamp']);
    const expected = [unitOf('red'), unitOf('big', 'blue', 'chair'), unitOf('lamp')];
    assertNear(flat, Float32Array.from(expected.flatMap((vector) => [...vector])));
  });

  test('drops unknown tokens and adds no special ones', async (t) => {
    if (skipWithoutLibrary(t)) return;
    const model = await loadStaticModel(await writeStaticModel(await scratch(t)), false);
    assertNear(await model.embed(['red zeppelin lamp']), meanOf('red', 'lamp'));
    for (const nothing of ['', '  ', 'zeppelin', '\u200b'])
      assert.deepEqual(await model.embed([nothing]), new Float32Array(TINY_DIM), JSON.stringify(nothing));
  });

  test('counts the first 512 known tokens', async (t) => {
    if (skipWithoutLibrary(t)) return;
    const model = await loadStaticModel(await writeStaticModel(await scratch(t)), false);
    const long = `${'zeppelin red '.repeat(511)}blue`;
    assertNear(await model.embed([`${long} lamp lamp`]), await model.embed([long]));
    assert.notDeepEqual(await model.embed([long]), meanOf('red'));
  });

  test('with a quantised vocabulary is refused, as its table alone would give other vectors', async (t) => {
    for (const extra of ['mapping', 'weights']) {
      const folder = await writeStaticModel(await scratch(t));
      const bytes = safetensors(
        {
          embeddings: { dtype: 'F32', shape: [1, 2], data_offsets: [0, 8] },
          [extra]: { dtype: 'I64', shape: [1], data_offsets: [8, 16] },
        },
        new Uint8Array(16),
      );
      await writeFile(join(folder, 'model.safetensors'), bytes);
      await assert.rejects(
        loadStaticModel(folder, true),
        (error: unknown) => error instanceof NearpinError && error.code === 'model_unavailable',
      );
    }
  });

  test('whose files are wrong is refused, the file named', async (t) => {
    if (skipWithoutLibrary(t)) return;
    const rows = TINY_TOKENS.length;
    const table = (shape: number[]) =>
      safetensors(
        { embeddings: { dtype: 'F32', shape, data_offsets: [0, 4 * shape.reduce((a, b) => a * b, 1)] } },
        new Uint8Array(4 * shape.reduce((a, b) => a * b, 1)),
      );
    const tokenizer = (model: unknown, added: unknown = []) =>
      JSON.stringify({ added_tokens: added, model, normalizer: null, pre_tokenizer: null });
    const cases: readonly [string, string | Uint8Array, RegExp][] = [
      ['model.safetensors', '', /too short/],
      ['model.safetensors', table([rows * TINY_DIM]), /tensor embeddings: shape/],
      ['model.safetensors', table([rows, 2, 2]), /tensor embeddings: shape/],
      ['model.safetensors', table([0, TINY_DIM]), /tensor embeddings: shape/],
      ['model.safetensors', table([rows, 1]), /tensor embeddings: shape/],
      ['model.safetensors', table([rows - 1, TINY_DIM]), /tensor embeddings: 13 rows/],
      ['tokenizer.json', '', /not JSON/],
      ['tokenizer.json', '{"model"', /not JSON/],
      ['tokenizer.json', '[]', /not a JSON object/],
      ['tokenizer.json', '{}', /vocab/],
      ['tokenizer.json', tokenizer({ type: 'WordPiece', vocab: { a: -1 } }), /token id -1/],
      ['tokenizer.json', tokenizer({ type: 'WordPiece', vocab: { a: 'x' } }), /token id x/],
      ['tokenizer.json', tokenizer({ type: 'WordPiece', vocab: { a: 0 } }, [null]), /token id undefined/],
      ['tokenizer.json', tokenizer({ type: 'Nonsense', vocab: { a: 0 } }), /no tokenizer/],
      ['tokenizer_config.json', '{', /not JSON/],
    ];
    for (const [name, content, message] of cases) {
      const folder = await writeStaticModel(await scratch(t));
      await writeFile(join(folder, name), content);
      await assert.rejects(loadStaticModel(folder, true), (error: unknown) => {
        assert.ok(error instanceof NearpinError, `${name}: ${error}`);
        assert.equal(error.code, 'corrupt_file', `${name}: ${error.message}`);
        assert.ok(error.message.startsWith(join(folder, name)), error.message);
        assert.match(error.message, message);
        return true;
      });
    }
  });
});
