import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import test, { describe, type TestContext } from 'node:test';
import { openEmbedder } from '../../src/embed/models.ts';
import { NearpinError } from '../../src/lib/errors.ts';
import { scratch, skipWithoutLibrary, writeOnnxModel, writeStaticModel } from './tiny-models.ts';

/** A hub that serves the model folders below `root`, and what was asked of it. */
async function hub(t: TestContext, root: string): Promise<{ hubUrl: string; asked: string[] }> {
  const asked: string[] = [];
  const server = createServer(async (request, response) => {
    asked.push(request.url!);
    const [, org, name, resolve, branch, ...file] = request.url!.split('/');
    assert.deepEqual([resolve, branch], ['resolve', 'main']);
    const bytes = await readFile(join(root, org!, name!, ...file)).catch(() => undefined);
    response.statusCode = bytes === undefined ? 404 : 200;
    response.end(bytes);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return { hubUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

async function refuses(promise: Promise<unknown>, code: string, message: RegExp): Promise<void> {
  await assert.rejects(promise, (error: unknown) => {
    assert.ok(error instanceof NearpinError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  });
}

describe('a model of the hub', () => {
  test('is fetched once, into the model folder, and is then a local model', async (t) => {
    if (skipWithoutLibrary(t)) return;
    const root = await scratch(t);
    const local = await writeStaticModel(join(root, 'org/table'));
    await writeOnnxModel(join(root, 'org/network'));
    const { hubUrl, asked } = await hub(t, root);
    const modelDir = join(await scratch(t), 'models');
    for (const [name, kind, files] of [
      ['org/table', 'static', ['config.json', 'model.safetensors', 'tokenizer.json']],
      ['org/network', 'transformers', ['config.json', 'onnx', 'tokenizer.json', 'tokenizer_config.json']],
    ] as const) {
      const fetched = await openEmbedder({ name, modelDir, allowDownload: true, hubUrl });
      await fetched.close();
      assert.deepEqual([fetched.description.name, fetched.description.kind], [name, kind]);
      assert.deepEqual((await readdir(join(modelDir, name))).sort(), files);
      const requests = asked.length;
      const again = await openEmbedder({ name: fetched.model, modelDir, allowDownload: true, hubUrl });
      await again.close();
      assert.equal(asked.length, requests);
    }
    const original = await openEmbedder({ name: local });
    await original.close();
    const copy = await openEmbedder({ name: 'org/table', modelDir });
    await copy.close();
    assert.equal(copy.description.revision, original.description.revision);
  });

  test('is not fetched unless downloads are allowed and have a place', async (t) => {
    const { hubUrl, asked } = await hub(t, await scratch(t));
    const modelDir = await scratch(t);
    await refuses(openEmbedder({ name: 'org/table', modelDir, hubUrl }), 'model_unavailable', /not allowed/);
    await refuses(
      openEmbedder({ name: 'org/table', allowDownload: true, hubUrl }),
      'bad_config',
      /model folder/,
    );
    assert.deepEqual(asked, []);
  });

  test('that is not there, or not whole, leaves nothing behind', async (t) => {
    const root = await scratch(t);
    await writeStaticModel(join(root, 'org/table'));
    const { hubUrl } = await hub(t, root);
    const modelDir = await scratch(t);
    const open = (name: string, url = hubUrl, kind?: 'transformers') =>
      openEmbedder({ name, modelDir, allowDownload: true, hubUrl: url, kind });
    await refuses(open('org/none'), 'model_unavailable', /config\.json: status 404/);
    await refuses(open('org/table', hubUrl, 'transformers'), 'model_unavailable', /model\.onnx: status 404/);
    await refuses(open('org/table', 'http://127.0.0.1:1'), 'model_unavailable', /cannot be fetched/);
    assert.deepEqual(await readdir(join(modelDir, 'org')), []);
  });

  test('has a name of two plain parts', async (t) => {
    const { hubUrl, asked } = await hub(t, await scratch(t));
    const modelDir = await scratch(t);
    for (const name of ['model', 'a/b/c', '../a', './a', 'a/b?c', 'https://a/b'])
      await refuses(
        openEmbedder({ name, modelDir, allowDownload: true, hubUrl }),
        'model_unavailable',
        /hub name/,
      );
    assert.deepEqual(asked, []);
    assert.deepEqual(await readdir(modelDir), []);
  });
});
