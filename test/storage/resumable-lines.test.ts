/** Files of lines that are gone on with. */
import assert from 'node:assert/strict';
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { ResumableLines } from '../../src/storage/resumable-lines.ts';

const dir = mkdtempSync(join(tmpdir(), 'nearpin-lines-'));
after(() => rmSync(dir, { recursive: true, force: true }));

async function addAll(lines: ResumableLines, from: number, to: number): Promise<void> {
  for (let i = from; i < to; i++) await lines.add(`line ${i}`);
}
const numbered = (n: number) => Array.from({ length: n }, (_, i) => `line ${i}\n`).join('');

describe('resumable lines', () => {
  it('have their name only when they are whole', async () => {
    const path = join(dir, 'whole');
    const lines = await ResumableLines.open(path, 'a');
    await addAll(lines, 0, 1000);
    assert.equal(existsSync(path), false);
    await lines.finish();
    assert.equal(readFileSync(path, 'utf8'), numbered(1000));
    assert.equal(existsSync(`${path}.part`) || existsSync(`${path}.part.from`), false);
  });

  it('go on where they were left', async () => {
    const path = join(dir, 'left');
    const first = await ResumableLines.open(path, 'a');
    await addAll(first, 0, 700);
    await first.leave();
    const second = await ResumableLines.open(path, 'a');
    assert.equal(second.lines, 700);
    await addAll(second, 700, 1000);
    await second.finish();
    assert.equal(readFileSync(path, 'utf8'), numbered(1000));
  });

  it('drop half a line that a kill left', async () => {
    const path = join(dir, 'torn');
    const first = await ResumableLines.open(path, 'a');
    await addAll(first, 0, 3);
    await first.leave();
    appendFileSync(`${path}.part`, 'line 3 cut o');
    const second = await ResumableLines.open(path, 'a');
    assert.equal(second.lines, 3);
    await addAll(second, 3, 5);
    await second.finish();
    assert.equal(readFileSync(path, 'utf8'), numbered(5));
  });

  it('begin anew when they are made from something else', async () => {
    const path = join(dir, 'other');
    const first = await ResumableLines.open(path, 'a');
    await addAll(first, 0, 9);
    await first.leave();
    const second = await ResumableLines.open(path, 'b');
    assert.equal(second.lines, 0);
    await addAll(second, 0, 2);
    await second.finish();
    assert.equal(readFileSync(path, 'utf8'), numbered(2));
  });

  it('replace a whole file of before in one step', async () => {
    const path = join(dir, 'before');
    writeFileSync(path, 'before\n');
    const lines = await ResumableLines.open(path, 'a');
    await addAll(lines, 0, 1);
    await lines.leave();
    assert.equal(readFileSync(path, 'utf8'), 'before\n');
    const again = await ResumableLines.open(path, 'a');
    await again.finish();
    assert.equal(readFileSync(path, 'utf8'), numbered(1));
  });

  it('say what the file system refuses', async () => {
    await assert.rejects(ResumableLines.open(join(dir, 'no', 'such', 'folder'), 'a'), {
      code: 'missing_file',
    });
  });
});
