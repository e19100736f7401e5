/** From a file of interactions to a file of pins: what it holds, what is refused, and that it is whole or not there. */
import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import { parsePin } from '../../src/index/pin.ts';
import { NearpinError } from '../../src/lib/errors.ts';
import { type TrainOptions, trainPins } from '../../src/train/train-pins.ts';
import { rejects } from '../lib/refuses.ts';
import { temporaryDir } from '../storage/temporary.ts';

const LINES = 'anna 1 2 3 2\n\nbo\tfähre 3\r\ncy 1 2 fähre\ndi 9\neve\n';

async function files(t: TestContext, content: string | Uint8Array, name = 'saves.txt') {
  const dir = await temporaryDir(t);
  const input = join(dir, name);
  const out = join(dir, 'pins.jsonl');
  await writeFile(input, content);
  const train = (options: Partial<TrainOptions> = {}) =>
    trainPins({ files: [input], out, dim: 4, seed: 1, threads: 1, onProgress: () => {}, ...options });
  return { dir, input, out, train };
}

test('every pin that was saved with another gets a vector', async (t) => {
  const { out, dir, train } = await files(t, LINES);
  const { captured, ...report } = await train();
  assert.deepEqual(report, {
    out,
    metric: 'dot',
    dim: 4,
    pins: 4,
    users: 3,
    interactions: 8,
    singles: 1,
  });
  assert.ok(captured > 0.99 && captured < 1.01);
  const rows = (await readFile(out, 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => parsePin(JSON.parse(line), { dim: 4, metric: 'dot', attributes: {} }, ''));
  assert.deepEqual(
    rows.map(({ id }) => id),
    ['1', '2', '3', 'fähre'],
  );
  assert.ok(Math.abs(Math.max(...rows.map(({ vector }) => Math.hypot(...vector!))) - 1) < 1e-4);
  assert.deepEqual((await readdir(dir)).sort(), ['pins.jsonl', 'saves.txt']);
});

test('the same input gives the same bytes, packed or not, in one file or in two', async (t) => {
  const { dir, input, out, train } = await files(t, LINES);
  await train();
  const bytes = await readFile(out, 'utf8');
  const packed = join(dir, 'saves.txt.gz');
  await writeFile(packed, gzipSync(LINES));
  await train({ files: [packed], threads: 2 });
  assert.equal(await readFile(out, 'utf8'), bytes);
  const [head, tail] = [join(dir, 'head.txt'), join(dir, 'tail.txt')];
  await writeFile(head, LINES.slice(0, 14));
  await writeFile(tail, LINES.slice(14));
  await train({ files: [head, tail] });
  assert.equal(await readFile(out, 'utf8'), bytes);
  await train({ files: [input], seed: 2 });
  assert.notEqual(await readFile(out, 'utf8'), bytes);
});

test('bad input is refused by its line, and leaves the file that was there', async (t) => {
  const cases = [
    { content: '', code: 'bad_file' },
    { content: '\n \n', code: 'bad_file' },
    { content: 'anna 1\nbo 2\n', code: 'bad_file' },
    { content: `anna 1 2\nbo ${'x'.repeat(129)}\n`, code: 'bad_pin_id', line: 2 },
    {
      content: Buffer.concat([Buffer.from('anna 1 2\n\nbo '), Buffer.of(0xff, 0x0a)]),
      code: 'bad_file',
      line: 3,
    },
    { content: `anna 1 2\nbo ${' 1'.repeat(2 ** 25)}\n`, code: 'limit_exceeded', line: 2 },
  ] as const;
  for (const { content, code, ...more } of cases) {
    const { dir, input, out, train } = await files(t, content);
    await writeFile(out, 'before');
    await rejects(train(), code, 'line' in more ? `${input}:${more.line}` : undefined);
    assert.equal(await readFile(out, 'utf8'), 'before');
    assert.deepEqual((await readdir(dir)).sort(), ['pins.jsonl', 'saves.txt']);
  }
});

test('a file that is not there, or cannot be written, is told of', async (t) => {
  const { dir, train } = await files(t, LINES);
  await rejects(train({ files: [join(dir, 'none.txt')] }), 'missing_file');
  await rejects(train({ out: join(dir, 'none', 'pins.jsonl') }), 'io_error');
});

test('an abort while it reads or trains leaves no trace', async (t) => {
  const many = Array.from({ length: 5000 }, (_, i) => `u${i} ${i % 50} ${(7 * i) % 50} ${(i * i) % 50}\n`);
  const { dir, train } = await files(t, many.join(''));
  for (const wanted of ['read', 'train']) {
    const controller = new AbortController();
    const reason = new NearpinError('interrupted', 'enough');
    const onProgress = ({ phase }: { phase: string }) => phase === wanted && controller.abort(reason);
    await assert.rejects(train({ onProgress, signal: controller.signal }), (error) => error === reason);
    assert.deepEqual(await readdir(dir), ['saves.txt']);
  }
});
