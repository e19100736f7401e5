/**
 * The one test that looks at a clock: the small run of the benchmark, as CI makes it for every change. It compares CPU
 * times that were taken in turns within one run, by medians, and its floors are far below what is measured on a quiet
 * machine (3x at recall 0.95), so that a busy one does not fail it and a lost kernel does.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import { readDefinition } from '../../bench/definition.ts';
import { compare, ofKind, panelsOf } from '../../bench/report/summary.ts';
import { runBench } from '../../bench/run.ts';
import { temporaryDir } from '../storage/temporary.ts';

/** Times the queries of hnswlib-node for the same CPU time, at equal recall. */
const RATIO_FLOOR = 1.8;
/** Recall at one width, for hnswlib's graph is no better at its own. */
const RECALL_FLOOR = 0.985;
const EF = 64;

test('at equal recall a search costs less than hnswlib-node, and finds as much', async (t) => {
  const folder = await temporaryDir(t);
  const definition = readDefinition('small');
  const { results, failures } = await runBench({
    definitions: [definition],
    outDir: join(folder, 'out'),
    cacheDir: join(folder, 'cache'),
    dataDir: undefined,
    cores: undefined,
    reuse: false,
    command: 'npm test',
    now: () => new Date(),
    signal: new AbortController().signal,
    onNote() {},
    onProgress() {},
  });
  assert.deepEqual(failures, []);
  const records = ofKind(results.records, 'search');
  const [panel] = panelsOf(records);
  const own = records.find(({ engine, ef }) => engine === 'wasm' && ef === EF)!;
  assert.ok(own.recall >= RECALL_FLOOR, `recall ${own.recall} at ef ${EF}`);
  if (!panel!.engines.has('hnswlib')) return t.skip(results.notes.join('; '));
  for (const { engine, recall, cpuUs, cpuRatio } of compare(panel!, [0.95, 0.99])) {
    assert.ok(cpuUs !== null && cpuRatio !== null, `${engine} was not measured around recall ${recall}`);
    if (engine !== 'wasm') continue;
    assert.ok(cpuRatio.median >= RATIO_FLOOR, `${cpuRatio.median}x hnswlib-node at recall ${recall}`);
    t.diagnostic(`${cpuRatio.median.toFixed(2)}x hnswlib-node at recall ${recall}, by CPU time`);
  }
});
