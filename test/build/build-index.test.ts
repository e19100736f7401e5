import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { Readable } from 'node:stream';
import test, { after, before, describe, type TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import { type BuildModel, type BuildProgress, buildIndex } from '../../src/build/build-index.ts';
import type { BadRow } from '../../src/build/ingest.ts';
import { unitVector } from '../../src/core/metric.ts';
import type { Engine } from '../../src/engines/engine.ts';
import { createEngineHost, type EngineHost } from '../../src/engines/engine-host.ts';
import type { ErrorCode } from '../../src/lib/errors.ts';
import { NearpinError } from '../../src/lib/errors.ts';
import { Prng } from '../../src/lib/prng.ts';
import { rejects } from '../lib/refuses.ts';
import { temporaryDir } from '../storage/temporary.ts';
import { buildOptions, buildPins, writeFvecs } from '../support/built-index.ts';
import { clusteredPins, TYPES } from '../support/clustered-pins.ts';
import { openEngine } from '../support/open-engine.ts';

const DIM = 4;

/** A model that knows the words `red`, `green` and `blue`; a text without any becomes the zero vector. */
const model: BuildModel = {
  description: { name: 'colours', revision: '1', kind: 'test', dim: DIM },
  embed: async (texts) =>
    texts.map((text) =>
      Float32Array.from(
        { length: DIM },
        (_, i) => text.split(['red', 'green', 'blue'][i] ?? '\0').length - 1,
      ),
    ),
};

let host: EngineHost;
before(() => {
  host = createEngineHost('wasm', 1);
});
after(() => host.close());

async function open(t: TestContext, indexDir: string): Promise<Engine> {
  const { engine } = await openEngine(indexDir, host);
  t.after(() => engine.close());
  return engine;
}

/** Every file below a directory but LMDB's lock file, by its path. */
async function bytesBelow(dir: string): Promise<Map<string, Buffer>> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && !entry.name.startsWith('lock.'));
  const paths = files.map((entry) => relative(dir, join(entry.parentPath, entry.name))).sort();
  return new Map(
    await Promise.all(paths.map(async (path) => [path, await readFile(join(dir, path))] as const)),
  );
}

async function writeLines(t: TestContext, lines: readonly unknown[]): Promise<{ dir: string; file: string }> {
  const dir = await temporaryDir(t);
  const file = join(dir, 'pins.jsonl');
  const text = lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line)));
  await writeFile(file, text.join('\n'));
  return { dir, file };
}

describe('two builds of the same input', () => {
  test('give identical bytes, on one thread or several, with texts and attributes', async (t) => {
    const dir = await temporaryDir(t);
    const pins = clusteredPins({ count: 700, dim: DIM, seed: 1 }).map((pin, i) => {
      const { vector: _, ...rest } = pin;
      return i % 3 === 0 ? { ...rest, text: `red ${'blue '.repeat(i % 7)}` } : pin;
    });
    const file = join(dir, 'pins.jsonl');
    await writeFile(file, pins.map((pin) => JSON.stringify(pin)).join('\n'));
    const built: Map<string, Buffer>[] = [];
    for (const threads of [1, 3]) {
      const indexDir = join(dir, `threads-${threads}`);
      await buildIndex(
        buildOptions([file], indexDir, {
          threads,
          shards: 3,
          model,
          config: { metric: 'cosine', attributes: TYPES },
        }),
      );
      built.push(await bytesBelow(indexDir));
    }
    const [one, three] = built;
    assert.deepEqual(
      [...one!.keys()],
      [
        '000001/manifest.json',
        '000001/pins/data.mdb',
        '000001/shard-000.seg',
        '000001/shard-001.seg',
        '000001/shard-002.seg',
        'CURRENT',
      ],
    );
    for (const [path, bytes] of one!) assert.ok(bytes.equals(three!.get(path)!), `${path} differs`);
  });

  test('differ when the seed does', async (t) => {
    const dir = await temporaryDir(t);
    const pins = clusteredPins({ count: 300, dim: DIM, seed: 1 });
    const segments = [];
    for (const seed of [1, 2]) {
      const { indexDir } = await buildPins(dir, `seed-${seed}`, pins, { seed }, 1);
      segments.push(await readFile(join(indexDir, '000001', 'shard-000.seg')));
    }
    assert.ok(!segments[0]!.equals(segments[1]!));
  });
});

describe('a build', () => {
  test('into an existing index makes the next generation, and the old one stays', async (t) => {
    const dir = await temporaryDir(t);
    const first = await buildPins(dir, 'demo', clusteredPins({ count: 50, dim: DIM, seed: 1 }), {}, 1);
    const old = await bytesBelow(join(first.indexDir, '000001'));
    const second = await buildPins(dir, 'demo', clusteredPins({ count: 60, dim: DIM, seed: 2 }), {}, 2);
    assert.equal(second.report.generation, '000002');
    assert.equal(await readFile(join(first.indexDir, 'CURRENT'), 'utf8'), '000002\n');
    assert.deepEqual((await readdir(first.indexDir)).sort(), ['000001', '000002', 'CURRENT']);
    assert.deepEqual(await bytesBelow(join(first.indexDir, '000001')), old);
    const engine = await open(t, first.indexDir);
    assert.equal(engine.describe().count, 60);
    assert.equal(engine.describe().generation, '000002');
  });

  test('reports what it made, and how far it is', async (t) => {
    const { dir, file } = await writeLines(t, clusteredPins({ count: 3000, dim: DIM, seed: 1 }));
    const progress: BuildProgress[] = [];
    const report = await buildIndex(
      buildOptions([file], join(dir, 'demo'), {
        shards: 2,
        config: { metric: 'l2', attributes: TYPES },
        onProgress: (step) => progress.push(step),
      }),
    );
    assert.deepEqual([report.generation, report.count, report.bad], ['000001', 3000, 0]);
    assert.deepEqual([report.config.dim, report.config.metric, report.config.shards], [DIM, 'l2', 2]);
    assert.equal(report.shards[0]!.count + report.shards[1]!.count, 3000);
    const read = progress.filter(({ phase }) => phase === 'read').map(({ done }) => done);
    const inserted = progress.filter(({ phase }) => phase === 'insert');
    assert.equal(read.at(-1), 3000);
    assert.ok(read.length >= 3);
    assert.deepEqual(inserted.at(-1), { phase: 'insert', done: 3000, total: 3000 });
    assert.deepEqual(
      read,
      [...read].sort((a, b) => a - b),
    );
  });

  test('reads several files of all kinds, packed or not, and standard input', async (t) => {
    const dir = await temporaryDir(t);
    const prng = new Prng(1);
    const vectors = (count: number) =>
      Array.from({ length: count }, () => Float32Array.from({ length: DIM }, () => prng.normal()));
    const line = (id: string, vector: Float32Array) => `${JSON.stringify({ id, vector: [...vector] })}\n`;
    const [lines, packed, input] = [vectors(3), vectors(4), vectors(2)];
    await writeFile(join(dir, 'a.jsonl'), lines.map((v, i) => line(`a${i}`, v)).join(''));
    await writeFile(join(dir, 'b.ndjson.gz'), gzipSync(packed.map((v, i) => line(`b${i}`, v)).join('')));
    const rows = vectors(5);
    await writeFvecs(join(dir, 'c.fvecs'), rows);
    const files = ['a.jsonl', 'b.ndjson.gz', 'c.fvecs'].map((name) => join(dir, name));
    const stdin = Readable.from([Buffer.from(input.map((v, i) => line(`s${i}`, v)).join(''))]);
    const report = await buildIndex(
      buildOptions([...files, '-'], join(dir, 'demo'), {
        ...{ stdin, shards: 'auto', config: { metric: 'cosine', precision: 'i8+f32' } },
      }),
    );
    assert.equal(report.count, 14);
    const engine = await open(t, join(dir, 'demo'));
    for (const [ids, given] of [
      [['a0', 'a1', 'a2'], lines],
      [['b0', 'b1', 'b2', 'b3'], packed],
      [['0', '1', '2', '3', '4'], rows],
      [['s0', 's1'], input],
    ] as const) {
      const stored = await engine.pins(ids, { vector: true });
      for (const [i, pin] of stored.entries()) assert.deepEqual(pin?.vector, unitVector(given[i]!));
    }
  });

  test('reads .npy', async (t) => {
    const dir = await temporaryDir(t);
    const header = "{'descr': '<f4', 'fortran_order': False, 'shape': (6, 4), }";
    const head = Buffer.concat([
      Buffer.from('\x93NUMPY\x01\x00', 'latin1'),
      Buffer.from([header.length + 1, 0]),
    ]);
    const values = Float32Array.from({ length: 24 }, (_, i) => i + 1);
    const file = join(dir, 'pins.npy');
    await writeFile(file, Buffer.concat([head, Buffer.from(`${header}\n`), Buffer.from(values.buffer)]));
    const config = { metric: 'l2', precision: 'i8+f32' } as const;
    const options = buildOptions([file], join(dir, 'demo'), { config });
    assert.equal((await buildIndex(options)).count, 6);
    const engine = await open(t, join(dir, 'demo'));
    const [pin] = await engine.pins(['5'], { vector: true });
    assert.deepEqual(pin!.vector, values.slice(20));
  });

  test('takes texts and vectors side by side', async (t) => {
    const { dir, file } = await writeLines(t, [
      { id: 'words', text: 'a red red lamp' },
      { id: 'numbers', vector: [1, 1, 0, 0] },
      { id: 'more words', text: 'green and blue', payload: { n: 1 } },
    ]);
    let opened = 0;
    const options = buildOptions([file], join(dir, 'demo'), {
      config: { metric: 'l2' },
      defaultModel: async () => {
        opened++;
        return model;
      },
    });
    const report = await buildIndex(options);
    assert.deepEqual(
      [report.count, report.config.dim, report.config.model, opened],
      [3, DIM, 'colours@1', 1],
    );
    const engine = await open(t, join(dir, 'demo'));
    const stored = await engine.pins(['words', 'numbers', 'more words'], { vector: true });
    assert.deepEqual(
      stored.map((pin) => [...pin!.vector!]),
      [
        [2, 0, 0, 0],
        [1, 1, 0, 0],
        [0, 1, 1, 0],
      ],
    );
  });

  test('notes who made the vectors', async (t) => {
    const { dir, file } = await writeLines(t, [{ id: 'a', vector: [1, 2] }]);
    const options = buildOptions([file], join(dir, 'demo'), { vectorsFrom: 'clip@2' });
    assert.equal((await buildIndex(options)).config.model, 'clip@2');
  });

  test('of fewer pins than shards leaves shards empty, and answers all the same', async (t) => {
    const dir = await temporaryDir(t);
    const pins = clusteredPins({ count: 3, dim: DIM, seed: 1 });
    const { indexDir, report } = await buildPins(dir, 'demo', pins, {}, 8);
    assert.ok(report.shards.some(({ count }) => count === 0));
    const engine = await open(t, indexDir);
    for (const exact of [false, true]) {
      const answer = await engine.search({ vector: Float32Array.from(pins[0]!.vector), k: 10, exact });
      assert.equal(answer.hits.length, 3);
      assert.deepEqual(answer.coverage, { shards: 8, answered: 8 });
    }
    assert.equal((await engine.sample(10, 1)).length, 3);
  });
});

const good = (id: string, more: object = {}) => ({ id, vector: [1, 2, 3, 4], ...more });

/** One of each kind of bad line: what stands in it, and with which code and at which place it is refused. */
const BAD: Readonly<Record<string, readonly [line: unknown, code: ErrorCode, place: string]>> = {
  'broken JSON': ['{"id": "a", "vector": [1, 2', 'bad_pin', ''],
  'no object': ['[1, 2, 3]', 'bad_pin', ''],
  null: ['null', 'bad_pin', ''],
  'no id': [{ vector: [1, 2, 3, 4] }, 'bad_pin_id', ' id'],
  'an empty id': [good(''), 'bad_pin_id', ' id'],
  'an id that is too long': [good('x'.repeat(129)), 'bad_pin_id', ' id'],
  'neither vector nor text': [{ id: 'a' }, 'bad_pin', ''],
  'both vector and text': [good('a', { text: 'red' }), 'bad_pin', ''],
  'another dimension': [{ id: 'a', vector: [1, 2, 3] }, 'bad_dim', ' vector'],
  'no dimension': [{ id: 'a', vector: [] }, 'bad_dim', ' vector'],
  'what JSON makes of NaN': ['{"id": "a", "vector": [1, null, 3, 4]}', 'bad_vector', ' vector[1]'],
  'NaN itself': ['{"id": "a", "vector": [1, NaN, 3, 4]}', 'bad_pin', ''],
  'a number beyond f32': ['{"id": "a", "vector": [1, 2, 1e39, 4]}', 'bad_vector', ' vector[2]'],
  'a zero vector': [{ id: 'a', vector: [0, 0, 0, 0] }, 'zero_vector', ' vector'],
  'an unknown field': [good('a', { colour: 'red' }), 'bad_pin', ' colour'],
  'an undeclared attribute': [
    good('a', { attributes: { weight: 1 } }),
    'bad_attribute',
    ' attributes.weight',
  ],
  'an attribute of another type': [
    good('a', { attributes: { price: '9' } }),
    'bad_attribute',
    ' attributes.price',
  ],
  'an id that was there': [good('first'), 'duplicate_pin', ' id'],
  'a text where no model is known': [{ id: 'a', text: 'red' }, 'no_model', ' text'],
  'a line that is no UTF-8': ['\uffff', 'bad_pin', ''],
  'a line of over 4 MiB': [good('a', { payload: 'x'.repeat(5 << 20) }), 'limit_exceeded', ''],
};

describe('a bad line', () => {
  for (const [name, [line, code, place]] of Object.entries(BAD)) {
    test(`with ${name} is refused by file and line, and skipped on demand`, async (t) => {
      const { dir, file } = await writeLines(t, [good('first'), '', line, good('last')]);
      if (name === 'a line that is no UTF-8') {
        const bytes = await readFile(file);
        const at = bytes.indexOf(Buffer.from('\uffff'));
        bytes[at] = 0xff;
        await writeFile(file, bytes);
      }
      const indexDir = join(dir, 'demo');
      const options = buildOptions([file], indexDir, { config: { metric: 'cosine', attributes: TYPES } });
      await assert.rejects(buildIndex(options), (error: unknown) => {
        assert.ok(error instanceof NearpinError);
        assert.equal(error.code, code, error.message);
        assert.equal(error.details[0]!.path, `${file}:3${place}`);
        assert.ok(error.message.startsWith(`${file}:3: `), error.message);
        assert.equal(error.message.split(file).length, 2, `the file is named once: ${error.message}`);
        return true;
      });
      assert.deepEqual(await readdir(indexDir), [], 'nothing is left');

      const bad: BadRow[] = [];
      const report = await buildIndex({ ...options, skipBad: true, onBad: (row) => bad.push(row) });
      assert.deepEqual([report.count, report.bad], [2, 1]);
      assert.deepEqual(
        bad.map((row) => [row.file, row.row, row.error.code]),
        [[file, 3, code]],
      );
      assert.ok(!bad[0]!.error.message.includes(file), bad[0]!.error.message);
      const engine = await open(t, indexDir);
      const stored = await engine.pins(['first', 'last'], {});
      assert.ok(stored.every((pin) => pin !== undefined));
    });
  }

  test('is counted and listed among many, exactly', async (t) => {
    const lines: unknown[] = [];
    const wrong: number[] = [];
    const kinds = Object.values(BAD).filter(([line]) => JSON.stringify(line).length < 1000);
    for (let i = 0; i < 2000; i++) {
      const isBad = i % 37 === 5;
      if (isBad) wrong.push(i + 1);
      lines.push(isBad ? kinds[i % kinds.length]![0] : good(i === 0 ? 'first' : `pin-${i}`));
    }
    const { dir, file } = await writeLines(
      t,
      lines.map((line) => (line === '\uffff' ? '\u0000' : line)),
    );
    const bad: BadRow[] = [];
    const report = await buildIndex(
      buildOptions([file], join(dir, 'demo'), {
        config: { metric: 'cosine', attributes: TYPES },
        skipBad: true,
        onBad: (row) => bad.push(row),
        shards: 2,
      }),
    );
    assert.deepEqual(
      bad.map(({ row }) => row),
      wrong,
    );
    assert.deepEqual([report.count, report.bad], [2000 - wrong.length, wrong.length]);
    const engine = await open(t, join(dir, 'demo'));
    assert.equal(engine.describe().count, 2000 - wrong.length);
  });

  test('that comes first decides nothing', async (t) => {
    const first = [
      { id: 'a', vector: [1] },
      { id: '', vector: [1, 2, 3] },
      { id: 'b', vector: [1, 2, 3], colour: 'red' },
      { id: 'c', vector: 'abcdefg' },
      { id: 'd', vector: { length: 7 } },
      'nonsense',
    ];
    const { dir, file } = await writeLines(t, [...first, good('good')]);
    const bad: BadRow[] = [];
    const options = { skipBad: true, onBad: (row: BadRow) => bad.push(row) };
    const report = await buildIndex(buildOptions([file], join(dir, 'demo'), options));
    assert.deepEqual([report.config.dim, report.count, report.bad], [DIM, 1, first.length]);
    assert.deepEqual(
      bad.map(({ row }) => row),
      [1, 2, 3, 4, 5, 6],
    );
  });

  test('whose text the model does not know is refused under cosine, and so is the second of its id', async (t) => {
    const lines = [
      { id: 'a', text: 'red' },
      { id: 'b', text: 'unheard of' },
      { id: 'c', text: 'blue' },
    ];
    const { dir, file } = await writeLines(t, lines);
    const options = buildOptions([file], join(dir, 'demo'), { model });
    await rejects(buildIndex(options), 'zero_vector', `${file}:2 text`);
    // Far apart: texts are embedded some hundreds at a time
    const between = Array.from({ length: 600 }, (_, i) => ({ id: `pin-${i}`, vector: [1, 2, 3, i] }));
    const again = [...lines, ...between, { id: 'b', text: 'green' }];
    await writeFile(file, again.map((line) => JSON.stringify(line)).join('\n'));
    const bad: BadRow[] = [];
    const report = await buildIndex({ ...options, skipBad: true, onBad: (row) => bad.push(row) });
    assert.equal(report.count, 602);
    assert.deepEqual(
      bad.map(({ row, error }) => [row, error.code]),
      [
        [2, 'zero_vector'],
        [again.length, 'duplicate_pin'],
      ],
    );
  });

  test('on standard input is named so', async (t) => {
    const dir = await temporaryDir(t);
    const stdin = Readable.from([Buffer.from(`${JSON.stringify(good('a'))}\nnonsense\n`)]);
    await rejects(buildIndex(buildOptions(['-'], join(dir, 'demo'), { stdin })), 'bad_pin', 'stdin:2');
  });

  test('in a file of vectors is named by its row', async (t) => {
    const dir = await temporaryDir(t);
    const file = join(dir, 'pins.fvecs');
    await writeFvecs(file, [Float32Array.of(1, 2), Float32Array.of(0, 0), Float32Array.of(Number.NaN, 1)]);
    await rejects(buildIndex(buildOptions([file], join(dir, 'demo'))), 'zero_vector', `${file}:1 vector`);
    const bad: BadRow[] = [];
    const options = { skipBad: true, onBad: (row: BadRow) => bad.push(row) };
    assert.equal((await buildIndex(buildOptions([file], join(dir, 'demo'), options))).count, 1);
    assert.deepEqual(
      bad.map(({ row }) => row),
      [1, 2],
    );
  });
});

describe('an input that makes no index', () => {
  test('is refused: empty, blank or bad throughout', async (t) => {
    for (const lines of [[], ['', '', '  '], ['nonsense', { id: 'a' }]]) {
      const { dir, file } = await writeLines(t, lines);
      const options = buildOptions([file], join(dir, 'demo'), { skipBad: true });
      await rejects(buildIndex(options), 'bad_file');
      assert.deepEqual(await readdir(join(dir, 'demo')), []);
    }
  });

  test('is refused: files that are missing, unknown or damaged', async (t) => {
    const { dir, file } = await writeLines(t, [good('a')]);
    const indexDir = join(dir, 'demo');
    const build = (...files: string[]) => buildIndex(buildOptions(files, indexDir));
    await rejects(build(join(dir, 'nowhere.jsonl')), 'missing_file');
    await rejects(build(file, join(dir, 'nowhere.jsonl')), 'missing_file');
    await rejects(
      buildIndex(buildOptions([file, join(dir, 'nowhere.jsonl')], indexDir, { shards: 'auto' })),
      'missing_file',
    );
    await rejects(build(join(dir, 'pins.csv')), 'bad_file');
    const packed = join(dir, 'cut.jsonl.gz');
    await writeFile(packed, gzipSync(JSON.stringify(good('a'))).subarray(0, 20));
    await rejects(build(packed), 'bad_file');
    await writeFile(join(dir, 'cut.fvecs'), Buffer.from([4, 0, 0, 0, 1, 2, 3]));
    await rejects(build(join(dir, 'cut.fvecs')), 'bad_file');
    assert.deepEqual(await readdir(indexDir), []);
  });

  test('is refused: a config that cannot be, before anything is read', async (t) => {
    const { dir, file } = await writeLines(t, ['nonsense']);
    const build = (more: object) => buildIndex(buildOptions([file], join(dir, 'demo'), more));
    await rejects(build({ config: { metric: 'cosine', m: 3 } }), 'bad_config', 'config.m');
    await rejects(build({ config: { metric: 'taxicab' } }), 'bad_config', 'config.metric');
    await rejects(build({ shards: 65 }), 'bad_config', 'config.shards');
    await rejects(build({ vectorsFrom: 'nameless' }), 'bad_config', 'config.model');
  });

  test('is refused: texts without a model that can be had', async (t) => {
    const { dir, file } = await writeLines(t, [{ id: 'a', text: 'red' }]);
    const defaultModel = () => Promise.reject(new NearpinError('model_unavailable', 'there is none'));
    await rejects(buildIndex(buildOptions([file], join(dir, 'demo'), { defaultModel })), 'model_unavailable');
    assert.deepEqual(await readdir(join(dir, 'demo')), []);
  });
});
