/** Files of interactions: lines of a user and pins. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { readInteractions } from '../../src/storage/interactions.ts';

async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}

describe('a file of interactions', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'nearpin-interactions-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  async function read(name: string, content: string | Uint8Array) {
    const file = join(folder, name);
    writeFileSync(file, content);
    return await collect(readInteractions(file));
  }

  it('has a user and pins in each line, none twice, packed or not', async () => {
    const text = 'ann 7  8 7\r\n\n bob\tx \ncy\n';
    const expected = [
      { user: 'ann', pins: ['7', '8'] },
      { user: 'bob', pins: ['x'] },
    ];
    assert.deepEqual(await read('a.txt', text), expected);
    assert.deepEqual(await read('a.txt.gz', gzipSync(text)), expected);
  });

  it('is refused by line', async () => {
    const long = 'x'.repeat(129);
    await assert.rejects(read('b.txt', `ann 1\nbob ${long}\n`), {
      code: 'bad_pin_id',
      message: /b\.txt:2/,
    });
    await assert.rejects(read('c.txt', Buffer.from('ann 1\nbob \xff\n', 'latin1')), {
      code: 'bad_file',
      message: /c\.txt:2/,
    });
    await assert.rejects(collect(readInteractions(join(folder, 'none.txt'))), {
      code: 'missing_file',
    });
  });
});
