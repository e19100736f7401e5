/** Room for what LMDB writes: there is always enough, and where there is none the process lives on. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { open } from 'lmdb';
import { LmdbRoom } from '../../src/storage/lmdb-room.ts';
import type { FullReport } from '../support/full-lmdb-child.ts';

let dir: string;
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'nearpin-room-'));
});
after(() => rm(dir, { recursive: true, force: true }));

const step = fc.record({
  puts: fc.integer({ min: 0, max: 150 }),
  removes: fc.integer({ min: 0, max: 150 }),
  bytes: fc.constantFrom(0, 9, 60, 700, 1990, 2100, 4072, 5000, 20_000),
  spread: fc.constantFrom(1, 7, 1000, 65_537),
});

describe('room for a transaction', () => {
  test('is never less than it takes', async () => {
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), async (steps) => {
        const path = join(dir, `run-${runs++}`);
        const database = open<Buffer, Buffer>({
          path,
          encoding: 'binary',
          keyEncoding: 'binary',
          pageSize: 4096,
          noSync: true,
          overlappingSync: false,
        });
        const file = join(path, 'data.mdb');
        const room = new LmdbRoom(file);
        let made = 0;
        for (const { puts, removes, bytes, spread } of steps) {
          room.begin(puts + removes);
          database.transactionSync(() => {
            const keys = [...database.getKeys({ limit: removes, start: Buffer.of(made % 256) })];
            for (const key of keys) database.removeSync(key);
            for (let i = 0; i < puts; i++) {
              const key = Buffer.alloc(4);
              key.writeUInt32BE((made++ * spread * 2_654_435) >>> 0);
              room.add(key.length, bytes);
              database.putSync(key, Buffer.alloc(bytes, 1));
            }
          });
          assert.equal(statSync(file).size, room.bytes);
        }
        room.close();
        await database.close();
        await rm(path, { recursive: true });
      }),
      { seed: 7, numRuns: 30 },
    );
  });

  const skip = spawnSync('prlimit', ['--version']).status === 0 ? false : 'there is no prlimit';
  for (const of of ['log', 'pin store', 'pin store in order'] as const) {
    test(`that a full disk does not give ends no process: ${of}`, { skip }, () => {
      const child = new URL('../support/full-lmdb-child.js', import.meta.url).pathname;
      const { status, stdout, stderr } = spawnSync(
        'sh',
        ['-c', `trap '' XFSZ; exec "$0" "$@"`, process.execPath, child, join(dir, of), of],
        { encoding: 'utf8' },
      );
      // LMDB says so there when it is refused, and has overwritten what is not its own by then
      assert.equal(stderr, '');
      assert.equal(status, 0);
      for (const { bytes, before, codes } of JSON.parse(stdout) as FullReport[]) {
        assert.equal(before, 30, `${bytes}`);
        const refused = of === 'log' ? 'disk_full' : 'io_error';
        // What is small may go into room that was left
        if (bytes > 1000 || codes.length > 0) assert.deepEqual(codes, [refused], `${bytes}`);
      }
    });
  }
});
