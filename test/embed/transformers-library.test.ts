import assert from 'node:assert/strict';
import test, { describe } from 'node:test';
import { loadTransformers } from '../../src/embed/transformers-library.ts';
import { NearpinError } from '../../src/lib/errors.ts';

/** An importer that has only these packages; an Error stands for a package that fails to load. */
function importer(packages: Record<string, object>) {
  return async (name: string): Promise<unknown> => {
    const found = packages[name];
    if (found instanceof Error) throw found;
    if (found !== undefined) return found;
    throw Object.assign(new Error(`Cannot find package '${name}' imported from here`), {
      code: 'ERR_MODULE_NOT_FOUND',
    });
  };
}

describe('the transformers library', () => {
  const successor = { is: 'successor' };
  const original = { is: 'original' };

  test('is the successor where it is installed, else the original', async () => {
    const load = (packages: Record<string, object>) => loadTransformers(importer(packages));
    assert.equal(
      await load({ '@huggingface/transformers': successor, '@xenova/transformers': original }),
      successor,
    );
    assert.equal(await load({ '@xenova/transformers': original }), original);
  });

  test('that is not installed is an error that says how to get it', async () => {
    await assert.rejects(loadTransformers(importer({})), (error: unknown) => {
      assert.ok(error instanceof NearpinError);
      assert.equal(error.code, 'model_unavailable');
      assert.match(error.message, /npm install @xenova\/transformers/);
      return true;
    });
  });

  test('that is installed but broken is not passed over', async () => {
    const broken = Object.assign(new Error("Cannot find package 'sharp' imported from it"), {
      code: 'ERR_MODULE_NOT_FOUND',
    });
    const packages = { '@huggingface/transformers': broken, '@xenova/transformers': original };
    await assert.rejects(loadTransformers(importer(packages)), (error: unknown) => {
      assert.ok(error instanceof NearpinError);
      assert.equal(error.code, 'model_unavailable');
      assert.match(error.message, /@huggingface\/transformers is installed but does not load: .*sharp/);
      return true;
    });
  });
});
