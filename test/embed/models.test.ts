import assert from 'node:assert/strict';
import { appendFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import test, { describe, type TestContext } from 'node:test';
import { parseModelDescription } from '../../src/embed/description.ts';
import { type ModelSpec, openEmbedder, reopenEmbedder } from '../../src/embed/models.ts';
import { type ErrorCode, NearpinError } from '../../src/lib/errors.ts';
import { scratch, skipWithoutLibrary, writeOnnxModel, writeStaticModel } from './tiny-models.ts';

async function refuses(promise: Promise<unknown>, code: ErrorCode, message: RegExp = /./): Promise<void> {
  await assert.rejects(promise, (error: unknown) => {
    assert.ok(error instanceof NearpinError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    return true;
  });
}

/** Opens, closes, and says what it was. */
async function describeModel(spec: ModelSpec) {
  const embedder = await openEmbedder(spec);
  await embedder.close();
  assert.equal(embedder.model, `${embedder.description.name}@${embedder.description.revision}`);
  return embedder.description;
}

async function both(t: TestContext): Promise<string> {
  const modelDir = await scratch(t);
  await writeOnnxModel(join(modelDir, 'neural'));
  await writeStaticModel(join(modelDir, 'static'));
  // As the hub has them: one folder with both.
  await writeOnnxModel(join(modelDir, 'org/both'), { framed: false });
  await writeStaticModel(join(modelDir, 'org/both'));
  return modelDir;
}

describe('the name of the built-in model', () => {
  test('stands for 256 dims, or for those it says', async () => {
    for (const [name, dim] of [
      ['hashed-ngrams', 256],
      ['hashed-ngrams@1', 256],
      ['hashed-ngrams-64', 64],
      ['hashed-ngrams-64@1', 64],
    ] as const) {
      const embedder = await openEmbedder({ name });
      assert.equal(embedder.model, `hashed-ngrams-${dim}@1`);
      assert.equal(embedder.dim, dim);
      assert.equal((await embedder.embed(['red lamp'], 'query'))[0]!.length, dim);
      const again = await reopenEmbedder(embedder.description, {});
      assert.deepEqual(await again.embed(['red lamp'], 'query'), await embedder.embed(['red lamp'], 'query'));
    }
  });

  test('refuses another revision, dims out of range and settings it does not have', async () => {
    await refuses(openEmbedder({ name: 'hashed-ngrams-256@2' }), 'model_mismatch', /256@1 is there/);
    await refuses(openEmbedder({ name: 'hashed-ngrams-1' }), 'bad_config');
    await refuses(openEmbedder({ name: 'hashed-ngrams-99999' }), 'bad_config');
    const name = 'hashed-ngrams';
    await refuses(openEmbedder({ name, kind: 'static' }), 'bad_config', /^model.kind/);
    await refuses(openEmbedder({ name, pooling: 'mean' }), 'bad_config', /^model.pooling/);
    await refuses(openEmbedder({ name, normalize: false }), 'bad_config', /^model.normalize/);
    await refuses(openEmbedder({ name, queryPrefix: 'x' }), 'bad_config', /^model.queryPrefix/);
    await refuses(openEmbedder({ name, documentPrefix: 'x' }), 'bad_config', /^model.documentPrefix/);
  });
});

describe('the name of a local model', () => {
  test('is looked up in the model folder, or is a path', async (t) => {
    if (skipWithoutLibrary(t)) return;
    const modelDir = await both(t);
    const path = join(modelDir, 'static');
    const expected = await describeModel({ name: 'static', modelDir });
    assert.deepEqual([expected.name, expected.kind, expected.normalize], ['static', 'static', true]);
    for (const spec of [
      { name: path },
      { name: path, modelDir },
      { name: relative('.', path) },
      { name: './static', modelDir },
      { name: path, modelDir: join(modelDir, 'org') },
    ])
      assert.deepEqual(await describeModel(spec), expected, JSON.stringify(spec));
    assert.equal((await describeModel({ name: 'org/both', modelDir })).name, 'org/both');
  });

  test('stands for a static model when it has a table, unless the kind is given', async (t) => {
    if (skipWithoutLibrary(t)) return;
    const modelDir = await both(t);
    const kinds = async (name: string, kind?: 'static' | 'transformers') =>
      (await describeModel({ name, modelDir, kind })).kind;
    assert.equal(await kinds('neural'), 'transformers');
    assert.equal(await kinds('org/both'), 'static');
    assert.equal(await kinds('org/both', 'static'), 'static');
    assert.equal(await kinds('org/both', 'transformers'), 'transformers');
    // A neural model's own weights have the same file name.
    await writeStaticModel(join(modelDir, 'neural'), { tensor: 'encoder.layer.0.weight' });
    assert.equal(await kinds('neural'), 'transformers');
  });

  test('does not become another model when the table is damaged', async (t) => {
    const modelDir = await both(t);
    const weights = join(modelDir, 'org/both/model.safetensors');
    await writeFile(weights, (await readFile(weights)).subarray(0, 100));
    await refuses(openEmbedder({ name: 'org/both', modelDir }), 'corrupt_file', /model\.safetensors/);
  });

  test('has a revision of its bytes and of its use', async (t) => {
    if (skipWithoutLibrary(t)) return;
    const modelDir = await both(t);
    const name = 'org/both';
    const revision = async (more: Partial<ModelSpec> = {}) =>
      (await describeModel({ name, modelDir, ...more })).revision;
    const first = await revision();
    assert.match(first, /^[0-9a-f]{12}$/);
    assert.equal(await revision({ normalize: true }), first, 'the default said aloud');
    assert.equal(await revision({ pooling: 'mean', queryPrefix: '' }), first, 'the defaults said aloud');
    const others = [
      await revision({ normalize: false }),
      await revision({ queryPrefix: 'query: ' }),
      await revision({ documentPrefix: 'query: ' }),
      await revision({ kind: 'transformers' }),
      await revision({ kind: 'transformers', pooling: 'cls' }),
    ];
    for (const file of ['tokenizer_config.json', 'tokenizer.json', 'model.safetensors']) {
      if (file === 'model.safetensors') {
        const bytes = await readFile(join(modelDir, name, file));
        bytes[bytes.length - 1]! ^= 1;
        await writeFile(join(modelDir, name, file), bytes);
      } else await appendFile(join(modelDir, name, file), ' ');
      others.push(await revision());
    }
    assert.equal(new Set([first, ...others]).size, 1 + others.length);
  });

  test('with a revision must find it', async (t) => {
    if (skipWithoutLibrary(t)) return;
    const modelDir = await both(t);
    const { revision } = await describeModel({ name: 'static', modelDir });
    await describeModel({ name: `static@${revision}`, modelDir });
    await refuses(
      openEmbedder({ name: `static@${revision}`, modelDir, normalize: false }),
      'model_mismatch',
      new RegExp(`static@${revision} is asked for`),
    );
    await refuses(openEmbedder({ name: 'static@000000000000', modelDir }), 'model_mismatch');
  });

  test('of nothing that can be opened is refused with the reason', async (t) => {
    const modelDir = await both(t);
    await refuses(openEmbedder({ name: '' }), 'bad_config');
    await refuses(openEmbedder({ name: '@1' }), 'bad_config');
    await refuses(openEmbedder({ name: 'none', modelDir }), 'model_unavailable', /no folder none/);
    await mkdir(join(modelDir, 'empty'));
    await refuses(openEmbedder({ name: 'empty', modelDir }), 'missing_file', /empty/);
    await writeStaticModel(join(modelDir, 'other'), { tensor: 'weights' });
    await refuses(openEmbedder({ name: 'other', modelDir }), 'missing_file', /no tensor embeddings/);
    await refuses(openEmbedder({ name: 'static', modelDir, kind: 'hashed' }), 'bad_config');
    await refuses(openEmbedder({ name: 'static', modelDir, pooling: 'cls' }), 'bad_config', /^model.pooling/);
    await refuses(openEmbedder({ name: 'static', modelDir, kind: 'transformers' }), 'missing_file', /onnx/);
    await refuses(openEmbedder({ name: 'neural', modelDir, kind: 'static' }), 'missing_file', /safetensors/);
  });

  test('of a folder that is not whole is refused, naming the file', async (t) => {
    for (const [kind, files] of [
      ['static', ['config.json', 'tokenizer.json']],
      ['neural', ['config.json', 'tokenizer.json', 'tokenizer_config.json']],
    ] as const) {
      const modelDir = await both(t);
      for (const file of files) {
        const path = join(modelDir, kind, file);
        const content = await readFile(path);
        await rm(path);
        await refuses(openEmbedder({ name: kind, modelDir }), 'missing_file', new RegExp(file));
        await writeFile(path, content);
      }
      const config = join(modelDir, kind, 'config.json');
      for (const broken of ['', '{', '[]', 'null']) {
        await writeFile(config, broken);
        await refuses(openEmbedder({ name: kind, modelDir }), 'corrupt_file', /config\.json/);
      }
    }
  });

  test('takes normalising from the config of a static model', async (t) => {
    if (skipWithoutLibrary(t)) return;
    const modelDir = await scratch(t);
    for (const [normalize, expected] of [
      [true, true],
      [false, false],
      ['absent', false],
    ]) {
      await writeStaticModel(join(modelDir, 'model'), { normalize });
      assert.equal((await describeModel({ name: 'model', modelDir })).normalize, expected);
    }
    await writeStaticModel(join(modelDir, 'model'), { normalize: 'yes' });
    await refuses(openEmbedder({ name: 'model', modelDir }), 'corrupt_file', /config\.json: normalize/);
  });
});

describe('a described model', () => {
  test('opens again from its description as JSON, and gives the same vectors', async (t) => {
    if (skipWithoutLibrary(t)) return;
    const modelDir = await both(t);
    for (const spec of [
      { name: 'neural', pooling: 'cls', queryPrefix: 'query: ' },
      { name: 'org/both', documentPrefix: 'old ', normalize: false },
      { name: 'org/both', kind: 'transformers' },
    ] as const) {
      const first = await openEmbedder({ ...spec, modelDir });
      t.after(() => first.close());
      const json: unknown = JSON.parse(JSON.stringify(first.description));
      const description = parseModelDescription(json, 'manifest.model');
      assert.deepEqual(description, first.description);
      const second = await reopenEmbedder(description, { modelDir });
      t.after(() => second.close());
      assert.deepEqual(second.description, first.description);
      for (const kind of ['query', 'document'] as const)
        assert.deepEqual(await second.embed(['red lamp'], kind), await first.embed(['red lamp'], kind));
    }
  });

  test('is refused when its files or its use have changed', async (t) => {
    if (skipWithoutLibrary(t)) return;
    const modelDir = await both(t);
    const description = await describeModel({ name: 'static', modelDir });
    await refuses(reopenEmbedder({ ...description, normalize: false }, { modelDir }), 'model_mismatch');
    await refuses(reopenEmbedder(description, { modelDir: join(modelDir, 'org') }), 'model_unavailable');
    await writeStaticModel(join(modelDir, 'static'), { half: true });
    await refuses(reopenEmbedder(description, { modelDir }), 'model_mismatch');
  });
});

describe('a description from a file', () => {
  const good = {
    name: 'org/model',
    revision: '0123456789ab',
    kind: 'transformers',
    dim: 384,
    normalize: true,
    pooling: 'mean',
    queryPrefix: 'query: ',
  };

  test('is taken when it is whole', () => {
    assert.deepEqual(parseModelDescription(good, 'model'), good);
    const { pooling: _, queryPrefix: __, ...rest } = good;
    const plain = { ...rest, kind: 'static' };
    assert.deepEqual(parseModelDescription(plain, 'model'), plain);
  });

  test('is refused with the path of the bad value', () => {
    const cases: readonly [object | null | string, string][] = [
      [null, 'model'],
      ['x', 'model'],
      [[], 'model'],
      [{ name: '' }, 'model.name'],
      [{ name: 7 }, 'model.name'],
      [{ name: '/etc' }, 'model.name'],
      [{ name: '../model' }, 'model.name'],
      [{ name: 'a/../../b' }, 'model.name'],
      [{ name: 'a\\..\\b' }, 'model.name'],
      [{ revision: '' }, 'model.revision'],
      [{ revision: 1 }, 'model.revision'],
      [{ kind: 'magic' }, 'model.kind'],
      [{ dim: 1 }, 'model.dim'],
      [{ dim: 4097 }, 'model.dim'],
      [{ dim: '384' }, 'model.dim'],
      [{ normalize: 1 }, 'model.normalize'],
      [{ pooling: 'max' }, 'model.pooling'],
      [{ pooling: undefined }, 'model.pooling'],
      [{ kind: 'static' }, 'model.pooling'],
      [{ queryPrefix: 1 }, 'model.queryPrefix'],
      [{ documentPrefix: null }, 'model.documentPrefix'],
    ];
    for (const [change, path] of cases) {
      const value =
        typeof change === 'object' && change !== null && !Array.isArray(change)
          ? { ...good, ...change }
          : change;
      assert.throws(
        () => parseModelDescription(value, 'model'),
        (error: unknown) =>
          error instanceof NearpinError && error.code === 'corrupt_file' && error.details[0]?.path === path,
        JSON.stringify(change),
      );
    }
  });
});

describe('real weights', () => {
  const modelDir = process.env.NEARPIN_TEST_MODEL_DIR;

  test('give nearly the same vectors by table and by network, and know meaning', async (t) => {
    if (modelDir === undefined) return t.skip('NEARPIN_TEST_MODEL_DIR is not set');
    if (skipWithoutLibrary(t)) return;
    const name = 'potion-base-2M';
    const table = await openEmbedder({ name, modelDir, kind: 'static' });
    t.after(() => table.close());
    const network = await openEmbedder({ name, modelDir, kind: 'transformers' });
    t.after(() => network.close());
    // No word here is unknown to the model; unknown ones the network keeps and the table drops.
    const texts = [
      'sofa',
      'couch',
      'carburettor',
      'A girl in a blue dress, running!',
      'Café chairs & naïve art',
      '12 ideas',
    ];
    const fromTable = await table.embed(texts, 'document');
    const fromNetwork = await network.embed(texts, 'document');
    for (const [i, text] of texts.entries())
      for (const [d, value] of fromTable[i]!.entries())
        assert.ok(Math.abs(value - fromNetwork[i]![d]!) < 1e-5, `${text}, dim ${d}`);
    const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, value, d) => sum + value * b[d]!, 0);
    const [sofa, couch, carburettor] = fromTable;
    assert.ok(dot(sofa!, couch!) > dot(sofa!, carburettor!) + 0.3);
  });
});
