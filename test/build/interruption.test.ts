/**
 * Builds that do not come to their end: aborted, killed, or out of disk space. The published generation stays as it
 * was, and the next build cleans up.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import test, { after, before, describe, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type BuildModel, type BuildOptions, buildIndex } from '../../src/build/build-index.ts';
import type { EngineAnswer } from '../../src/engines/engine.ts';
import { createEngineHost, type EngineHost } from '../../src/engines/engine-host.ts';
import { NearpinError } from '../../src/lib/errors.ts';
import { Prng } from '../../src/lib/prng.ts';
import { rejects } from '../lib/refuses.ts';
import { temporaryDir } from '../storage/temporary.ts';
import { buildOptions, buildPins, writeFvecs } from '../support/built-index.ts';
import { clusteredPins } from '../support/clustered-pins.ts';
import { openEngine } from '../support/open-engine.ts';

const DIM = 16;
const CHILD = fileURLToPath(new URL('../support/build-child.js', import.meta.url));
/** Longer than this, an abort was not heeded. */
const ABORT_MS_MAX = 3000;

const pins = clusteredPins({ count: 60, dim: DIM, seed: 1 });
const query = { vector: Float32Array.from(pins[0]!.vector), k: 5 };
let host: EngineHost;
before(() => {
  host = createEngineHost('wasm', 1);
});
after(() => host.close());

interface Published {
  readonly dir: string;
  readonly indexDir: string;
  /** A file of `count` vectors to build from. */
  readonly vectors: (count: number, dim?: number) => Promise<string>;
  /** Asserts that the index is as it was, and that nothing else is there. */
  readonly checkUntouched: (leftOvers?: boolean) => Promise<void>;
}

/** An index with one published generation. */
async function published(t: TestContext): Promise<Published> {
  const dir = await temporaryDir(t);
  const { indexDir } = await buildPins(dir, 'demo', pins, {}, 1);
  const answer = async (): Promise<EngineAnswer> => {
    const { engine } = await openEngine(indexDir, host);
    try {
      return await engine.search(query);
    } finally {
      await engine.close();
    }
  };
  const expected = await answer();
  const files = async () => {
    const entries = await readdir(indexDir, { recursive: true, withFileTypes: true });
    const paths = entries.map((entry) => relative(indexDir, join(entry.parentPath, entry.name)));
    return paths.filter((path) => !path.endsWith('lock.mdb')).sort();
  };
  const all = await files();
  return {
    dir,
    indexDir,
    vectors: async (count, dim = DIM) => {
      const prng = new Prng(2);
      const file = join(dir, `vectors-${count}-${dim}.fvecs`);
      await writeFvecs(
        file,
        Array.from({ length: count }, () => Float32Array.from({ length: dim }, () => prng.normal())),
      );
      return file;
    },
    checkUntouched: async (leftOvers = false) => {
      assert.equal(await readFile(join(indexDir, 'CURRENT'), 'utf8'), '000001\n');
      assert.deepEqual(await answer(), expected);
      const there = await files();
      assert.deepEqual(leftOvers ? there.filter((path) => !path.startsWith('.staging-')) : there, all);
    },
  };
}

/** Builds until `abort` is called, and asserts that the build then ends with the reason and leaves no trace. */
async function checkAbort(
  { indexDir, checkUntouched }: Published,
  files: readonly string[],
  more: (abort: () => void) => Partial<BuildOptions>,
): Promise<void> {
  const controller = new AbortController();
  const reason = new NearpinError('interrupted', 'enough');
  let abortedAt = Number.NaN;
  const abort = () => {
    abortedAt = performance.now();
    controller.abort(reason);
  };
  const build = buildIndex(buildOptions(files, indexDir, { signal: controller.signal, ...more(abort) }));
  await assert.rejects(build, (error: unknown) => error === reason);
  const tookMs = performance.now() - abortedAt;
  assert.ok(tookMs < ABORT_MS_MAX, `it took ${tookMs} ms to end`);
  await checkUntouched();
}

describe('an abort', () => {
  test('before the build begins ends it', async (t) => {
    const index = await published(t);
    await checkAbort(index, [await index.vectors(10)], (abort) => {
      abort();
      return {};
    });
  });

  test('while it reads ends it', async (t) => {
    const index = await published(t);
    await checkAbort(index, [await index.vectors(5000)], (abort) => ({ onProgress: abort }));
  });

  test('while standard input says nothing ends it', async (t) => {
    const index = await published(t);
    const stdin = new Readable({ read: () => {} });
    stdin.push(`${JSON.stringify(pins[0])}\n`);
    await checkAbort(index, ['-'], (abort) => {
      setTimeout(abort, 100);
      return { stdin, config: { metric: 'l2', attributes: { rank: 'number' } }, skipBad: true };
    });
  });

  const model = (embed: BuildModel['embed']): BuildModel => ({
    description: { name: 'constant', revision: '1', kind: 'test', dim: DIM },
    embed,
  });
  const texts = async ({ dir }: Published, count: number): Promise<string> => {
    const file = join(dir, 'texts.jsonl');
    const lines = Array.from({ length: count }, (_, i) => JSON.stringify({ id: `t${i}`, text: 'words' }));
    await writeFile(file, lines.join('\n'));
    return file;
  };

  test('while it counts rows for the number of shards ends it', async (t) => {
    const index = await published(t);
    await checkAbort(index, [await texts(index, 3000)], (abort) => ({
      shards: 'auto',
      limitBytes: 2 ** 20,
      defaultModel: async () => {
        abort();
        return model(async () => assert.fail('nothing is embedded'));
      },
    }));
  });

  test('while it embeds ends it', async (t) => {
    const index = await published(t);
    let batches = 0;
    await checkAbort(index, [await texts(index, 3000)], (abort) => ({
      model: model(async (batch) => {
        if (++batches === 2) abort();
        assert.ok(batches <= 2, 'it goes on embedding');
        return batch.map(() => new Float32Array(DIM).fill(1));
      }),
    }));
  });

  test('while it inserts ends it', async (t) => {
    const index = await published(t);
    let done = 0;
    const file = await index.vectors(6000, 64);
    await checkAbort(index, [file], (abort) => ({
      shards: 2,
      config: { metric: 'cosine', efConstruction: 1500 },
      onProgress: (progress) => {
        if (progress.phase !== 'insert' || done > 0) return;
        ({ done } = progress);
        abort();
      },
    }));
    assert.ok(done < 6000, 'it was still inserting');
  });

  test('when all is inserted still ends it', async (t) => {
    const index = await published(t);
    await checkAbort(index, [await index.vectors(500)], (abort) => ({
      onProgress: ({ phase, done }) => {
        if (phase === 'insert' && done === 500) abort();
      },
    }));
  });
});

describe('a build that fails', () => {
  test('in one shard ends the others, and leaves no trace', async (t) => {
    const { indexDir, checkUntouched, vectors } = await published(t);
    const limitBytes = 3 * 2 ** 20;
    const build = buildIndex(buildOptions([await vectors(4000, 512)], indexDir, { shards: 2, limitBytes }));
    await rejects(build, 'shard_full');
    await checkUntouched();
  });

  test('because it may not write leaves no trace', async (t) => {
    const { dir, vectors, checkUntouched } = await published(t);
    const inTheWay = join(dir, 'in the way');
    await writeFile(inTheWay, '');
    await rejects(buildIndex(buildOptions([await vectors(10)], join(inTheWay, 'demo'))), 'io_error');
    await rejects(buildIndex(buildOptions([await vectors(10)], inTheWay)), 'io_error');
    await checkUntouched();
  });

  test('for want of disk space, wherever that happens, leaves no trace', async (t) => {
    if (process.platform === 'win32') return t.skip('there are no resource limits on Windows');
    const { indexDir, vectors, checkUntouched } = await published(t);
    const file = await vectors(3000, 64);
    // A segment that is larger than the spool, so that there is a size at which it is the segment that cannot be written
    const config = { efConstruction: 16, precision: 'i8+i10' };
    // The largest size of a file, in blocks of 512 or 1024 bytes: the system refuses to write beyond it
    for (const blocks of [0, 100, 1000, 1600]) {
      const child = spawn('sh', [
        '-c',
        `trap '' XFSZ; ulimit -f ${blocks}; exec "$0" "$@"`,
        process.execPath,
        CHILD,
        JSON.stringify({ files: [file], indexDir, shards: 1, config }),
      ]);
      const [result] = await lastLines(child.stdout, 1);
      assert.ok('error' in result!, JSON.stringify(result));
      assert.equal(result.error.code, 'io_error', `${blocks} blocks: ${result.error.message}`);
      await checkUntouched();
    }
  });
});

type Line =
  | { phase: string; done: number }
  | { report: object }
  | { error: { code: string; message: string } };

async function lastLines(stdout: Readable, count: number): Promise<Line[]> {
  const lines: Line[] = [];
  for await (const line of createInterface({ input: stdout })) lines.push(JSON.parse(line) as Line);
  return lines.slice(-count);
}

describe('a build that is killed', () => {
  /** Starts a build and kills it once `when` says so of a line it prints; resolves to whether it was in time. */
  async function killWhen(
    files: readonly string[],
    indexDir: string,
    when: (line: Line) => boolean,
  ): Promise<boolean> {
    const options = { files, indexDir, shards: 2, config: { efConstruction: 400 } };
    const child = spawn(process.execPath, [CHILD, JSON.stringify(options)]);
    const ended = new Promise((resolve) => child.once('exit', resolve));
    let killed = false;
    for await (const line of createInterface({ input: child.stdout })) {
      if (!killed && when(JSON.parse(line) as Line)) killed = child.kill('SIGKILL');
    }
    await ended;
    return killed;
  }

  test('leaves the index as it was, and its leftovers to the next build', async (t) => {
    const { indexDir, vectors, checkUntouched } = await published(t);
    const file = await vectors(6000, 32);
    const moments: readonly ((line: Line) => boolean)[] = [
      (line) => 'phase' in line && line.phase === 'read' && line.done >= 2048,
      (line) => 'phase' in line && line.phase === 'read' && line.done === 6000,
      (line) => 'phase' in line && line.phase === 'insert',
    ];
    for (const when of moments) {
      assert.ok(await killWhen([file], indexDir, when), 'the build was too fast to be killed');
      await checkUntouched(true);
      const left = (await readdir(indexDir)).filter((name) => name.startsWith('.staging-'));
      assert.equal(left.length, 1, 'the last one is there, those before it are gone');
    }
    const report = await buildIndex(buildOptions([await vectors(100)], indexDir));
    assert.equal(report.generation, '000002');
    assert.deepEqual((await readdir(indexDir)).sort(), ['000001', '000002', 'CURRENT']);
    const { engine } = await openEngine(indexDir, host);
    assert.equal(engine.describe().count, 100);
    await engine.close();
  });

  test('while it publishes leaves the old generation or the new one', async (t) => {
    const { indexDir, vectors, checkUntouched } = await published(t);
    const file = await vectors(300);
    // The last progress comes before segments are synced and renamed
    const isLast = (line: Line) => 'phase' in line && line.phase === 'insert' && line.done === 300;
    for (let round = 0; round < 2; round++) await killWhen([file], indexDir, isLast);
    const current = (await readFile(join(indexDir, 'CURRENT'), 'utf8')).trim();
    if (current === '000001') return checkUntouched(true);
    const { engine } = await openEngine(indexDir, host);
    assert.equal(engine.describe().count, 300);
    await engine.close();
  });
});
