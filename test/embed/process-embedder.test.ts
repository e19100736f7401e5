import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { describe, type TestContext } from 'node:test';
import { openEmbedder } from '../../src/embed/models.ts';
import { NearpinError } from '../../src/lib/errors.ts';
import { scratch, skipWithoutLibrary, writeStaticModel } from './tiny-models.ts';

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'done',
    (error: unknown) => (error instanceof NearpinError ? error.code : String(error)),
  );

async function open(t: TestContext) {
  const name = await writeStaticModel(join(await scratch(t), 'tiny'));
  const embedder = await openEmbedder({ name, queryPrefix: 'query: ' });
  t.after(() => embedder.close());
  return embedder;
}

/** The embedding process: earlier tests closed theirs, so it is the only child. Undefined where /proc does not say. */
async function onlyChild(): Promise<number | undefined> {
  const children = await readFile(`/proc/self/task/${process.pid}/children`, 'utf8').catch(() => undefined);
  if (children === undefined) return undefined;
  const pids = children.trim().split(' ').map(Number);
  assert.equal(pids.length, 1);
  return pids[0];
}

describe('an embedder in a process of its own', () => {
  test('matches answers to calls made at the same time', async (t) => {
    if (skipWithoutLibrary(t)) return;
    const embedder = await open(t);
    const words = ['red', 'blue', 'lamp', 'chair'];
    const alone = await embedder.embed(words, 'document');
    const together = await Promise.all(
      Array.from({ length: 40 }, (_, i) => embedder.embed(Array(i * 5).fill(words[i % 4]), 'document')),
    );
    for (const [i, vectors] of together.entries()) {
      assert.equal(vectors.length, i * 5);
      for (const vector of vectors) assert.deepEqual(vector, alone[i % 4]);
    }
  });

  test('prefixes queries and documents each in its way, and leaves an empty text empty', async (t) => {
    if (skipWithoutLibrary(t)) return;
    const embedder = await open(t);
    const [query, empty] = await embedder.embed(['red', ' '], 'query');
    const [written, plain] = await embedder.embed(['query: red', 'red'], 'document');
    assert.deepEqual(query, written);
    assert.notDeepEqual(query, plain);
    assert.deepEqual(empty, new Float32Array(embedder.dim));
  });

  test('answers a query while a long call is under way', async (t) => {
    if (skipWithoutLibrary(t)) return;
    const embedder = await open(t);
    let longDone = false;
    const long = embedder.embed(Array(20_000).fill('big old red lamps'), 'document').then((vectors) => {
      longDone = true;
      return vectors.length;
    });
    await embedder.embed(['red'], 'query');
    assert.equal(longDone, false);
    assert.equal(await long, 20_000);
  });

  test('closed during work settles every call: what is under way is answered, the rest refused', async (t) => {
    if (skipWithoutLibrary(t)) return;
    const embedder = await open(t);
    const short = codeOf(embedder.embed(['red'], 'query'));
    const long = codeOf(embedder.embed(Array(20_000).fill('red'), 'document'));
    const closing = [embedder.close(), embedder.close()];
    assert.equal(await codeOf(embedder.embed(['red'], 'query')), 'closed');
    assert.equal(await short, 'done');
    assert.equal(await long, 'closed');
    await Promise.all(closing);
  });

  test('opens again after it was closed, and twice at once', async (t) => {
    if (skipWithoutLibrary(t)) return;
    const first = await open(t);
    await first.close();
    const [second, third] = await Promise.all([open(t), open(t)]);
    assert.deepEqual(await second.embed(['red'], 'query'), await third.embed(['red'], 'query'));
  });

  test('does not stop at a Ctrl-C, which its parent may want to outlast', async (t) => {
    if (skipWithoutLibrary(t)) return;
    const embedder = await open(t);
    const pid = await onlyChild();
    if (pid === undefined) return t.skip('the system does not list child processes in /proc');
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.kill(pid, signal);
      assert.equal((await embedder.embed(Array(1000).fill('red'), 'document')).length, 1000);
    }
  });

  test('whose process is killed refuses the calls under way and all later ones', async (t) => {
    if (skipWithoutLibrary(t)) return;
    const embedder = await open(t);
    const pid = await onlyChild();
    if (pid === undefined) return t.skip('the system does not list child processes in /proc');
    const underWay = codeOf(embedder.embed(Array(20_000).fill('red'), 'document'));
    process.kill(pid, 'SIGKILL');
    assert.equal(await underWay, 'model_unavailable');
    assert.equal(await codeOf(embedder.embed(['red'], 'query')), 'model_unavailable');
    await embedder.close();
  });

  test('does not keep the process that opened it alive, nor survive it', async (t) => {
    if (skipWithoutLibrary(t)) return;
    const name = await writeStaticModel(join(await scratch(t), 'tiny'));
    const program = `
      const { openEmbedder } = await import(${JSON.stringify(new URL('../../src/embed/models.js', import.meta.url))});
      const unused = await openEmbedder({ name: ${JSON.stringify(name)} });
      const embedder = await openEmbedder({ name: ${JSON.stringify(name)} });
      await embedder.embed(['red'], 'query');
      process.stdout.write('embedded');`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 30_000,
    });
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    // "close" comes when nobody holds stderr any more, and the embedding process inherited it.
    child.stderr.resume();
    const [code] = await once(child, 'close');
    assert.deepEqual([code, output], [0, 'embedded']);
  });
});
