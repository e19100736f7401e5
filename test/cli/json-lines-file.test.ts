/** Logs as JSON lines: whole lines, whatever happens to the file meanwhile. */
import assert from 'node:assert/strict';
import { mkdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { JsonLinesFile } from '../../src/cli/json-lines-file.ts';
import { ExposureLog, type ExposureRecord } from '../../src/retrieval/experiments/exposure.ts';
import { temporaryDir } from '../storage/temporary.ts';

const record = (requestId: string): ExposureRecord => ({
  kind: 'exposure',
  at: 1,
  requestId,
  surface: 'related',
  unit: 'line\nbreak',
  experiment: 'e',
  arm: 'a',
  index: 'i',
  generation: '000001',
  model: null,
  tookMs: 1,
  hits: [{ id: 'p1', source: 'seeds' }],
});

/** Request ids of a file's lines, each of which must be a record; blank lines are none. */
async function idsIn(path: string): Promise<string[]> {
  const lines = (await readFile(path, 'utf8')).split('\n').filter((line) => line !== '');
  return lines.map((line) => (JSON.parse(line) as ExposureRecord).requestId);
}

describe('a log of JSON lines', () => {
  it('gets a line for each record, after what it held before', async (t) => {
    const path = join(await temporaryDir(t), 'exposures.jsonl');
    const many = Array.from({ length: 200 }, (_, i) => `r${i}`);
    for (const ids of [['first'], many]) {
      const file = await JsonLinesFile.open(path);
      await file.write(ids.map(record));
      await file.close();
    }
    assert.deepEqual(await idsIn(path), ['first', ...many]);
    assert.deepEqual(JSON.parse((await readFile(path, 'utf8')).split('\n')[0]!), record('first'));
  });

  it('is a new one after rotation and reopening, and the old one until then', async (t) => {
    const dir = await temporaryDir(t);
    const [path, rotated] = [join(dir, 'exposures.jsonl'), join(dir, 'exposures.1')];
    const file = await JsonLinesFile.open(path);
    await file.write([record('r1')]);
    await rename(path, rotated);
    await file.write([record('r2')]);
    file.reopen();
    await file.write([record('r3')]);
    await file.close();
    assert.deepEqual(await idsIn(rotated), ['r1', 'r2']);
    assert.deepEqual(await idsIn(path), ['r3']);
  });

  it('of audits is for its owner alone', async (t) => {
    const path = join(await temporaryDir(t), 'audit.jsonl');
    const file = await JsonLinesFile.open(path, { isAudit: true });
    await file.write([record('r1')]);
    await file.close();
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.deepEqual(await idsIn(path), ['r1']);
  });

  it('is refused at the start when it cannot be written', async (t) => {
    const dir = await temporaryDir(t);
    await assert.rejects(JsonLinesFile.open(join(dir, 'missing', 'exposures.jsonl')), { code: 'ENOENT' });
  });

  it('that cannot be written later costs the records of that time, counted, and is tried again', async (t) => {
    const path = join(await temporaryDir(t), 'exposures.jsonl');
    const file = await JsonLinesFile.open(path);
    const said: string[] = [];
    const log = new ExposureLog(
      (records) => file.write(records),
      (error) => said.push((error as NodeJS.ErrnoException).code!),
    );
    const expose = async (id: string) => {
      log.record(record(id));
      await log.flush();
    };
    await expose('r1');
    await rm(path);
    await mkdir(path);
    file.reopen();
    await expose('r2');
    await expose('r3');
    await rm(path, { recursive: true });
    await expose('r4');
    await file.close();
    assert.deepEqual(log.counts(), { written: 2, dropped: 0, failed: 2, waiting: 0 });
    assert.deepEqual(said, ['EISDIR']);
    assert.deepEqual(await idsIn(path), ['r4']);
  });
});
