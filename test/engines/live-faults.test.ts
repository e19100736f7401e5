/** What a live index makes of damage, full disks, full shards and faults: the rest serves, and what was acknowledged is there. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createIndex } from '../../src/build/create-index.ts';
import { LAYOUT as L } from '../../src/core/layout.ts';
import type { Shard } from '../../src/core/shard.ts';
import { createEngineHost } from '../../src/engines/engine-host.ts';
import type { LiveIndexOptions } from '../../src/engines/live-index.ts';
import { Inside } from '../core/damage.ts';
import { CORE } from '../support/built-index.ts';
import { CONFIG, pinOf } from '../support/crash.ts';
import { type OpenedIndex, openEngine } from '../support/open-engine.ts';

const host = createEngineHost('wasm', 1);
let dir: string;
let template: string;
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'nearpin-live-faults-'));
  template = join(dir, 'template');
  await createIndex(template, CONFIG, null, CORE);
});
after(async () => {
  await host.close();
  await rm(dir, { recursive: true, force: true });
});

let copies = 0;
async function fresh(): Promise<string> {
  const copy = join(dir, `copy-${copies++}`);
  await cp(template, copy, { recursive: true });
  return copy;
}

async function withOpened(
  indexDir: string,
  run: (opened: OpenedIndex) => Promise<void>,
  options: Omit<LiveIndexOptions<undefined>, 'attach'> = {},
): Promise<void> {
  const opened = await openEngine(indexDir, host, options);
  try {
    await run(opened);
  } finally {
    await opened.engine.close();
  }
}

/** Writes pins p<from> … one by one; each is of the write of its number. */
async function fill({ live }: OpenedIndex, from: number, to: number): Promise<void> {
  for (let n = from; n < to; n++) await live.upsert([pinOf(`p${n}`, n, true)], CONFIG);
}

async function checkThere({ engine }: OpenedIndex, from: number, to: number, isThere = true): Promise<void> {
  for (let n = from; n < to; n++) {
    const { hits } = await engine.search({ vector: pinOf(`p${n}`, n, true).vector!, k: 1 });
    assert.equal(hits[0]?.id === `p${n}`, isThere, `p${n}`);
  }
}

describe('damage', () => {
  test('of the newest generation gives way to the one before, with a longer replay', async () => {
    const at = await fresh();
    await withOpened(at, async (opened) => {
      await fill(opened, 0, 20);
      await opened.live.checkpoint();
      await fill(opened, 20, 40);
      await opened.live.checkpoint();
      await fill(opened, 40, 50);
    });
    const segment = join(at, '000003', 'shard-001.seg');
    const bytes = await readFile(segment);
    bytes[bytes.length - 5000]! ^= 1;
    await writeFile(segment, bytes);
    const heard: string[] = [];
    const onWarning = ({ message }: { message: string }) => heard.push(message);
    await withOpened(
      at,
      async (opened) => {
        assert.equal(opened.engine.describe().generation, '000002');
        await checkThere(opened, 0, 50);
        assert.match(heard[0]!, /000002 is served in place of a newer one: .*000003.*shard-001\.seg/);
        assert.deepEqual(opened.live.describeLive().warnings.length, 1);
        await fill(opened, 50, 60);
        assert.equal((await opened.live.checkpoint()).generation, '000004');
      },
      { onWarning },
    );
    assert.ok((await readdir(at)).includes('damaged-000003'));
    await withOpened(at, async (opened) => {
      assert.deepEqual(opened.live.describeLive().warnings, []);
      await checkThere(opened, 0, 60);
    });
  });

  test('of the whole log puts it aside and serves the generation', async () => {
    for (const damage of ['cut', 'nonsense'] as const) {
      const at = await fresh();
      await withOpened(at, async (opened) => {
        await fill(opened, 0, 20);
        await opened.live.checkpoint();
        await fill(opened, 20, 30);
      });
      const log = join(at, 'updates', 'data.mdb');
      if (damage === 'cut') await truncate(log, 3 * 4096);
      else await writeFile(log, Buffer.alloc(40_000, 7));
      await withOpened(at, async (opened) => {
        await checkThere(opened, 0, 20);
        await checkThere(opened, 20, 30, false);
        assert.match(
          opened.live.describeLive().warnings[0]!.message,
          /update log now lies in damaged-updates-1/,
        );
        await fill(opened, 30, 40);
      });
      assert.ok((await readdir(at)).includes('damaged-updates-1'));
      await withOpened(at, (opened) => checkThere(opened, 30, 40));
    }
  });

  test('of one update leaves that one out, and names it', async () => {
    const at = await fresh();
    await withOpened(at, (opened) => fill(opened, 0, 30));
    const log = join(at, 'updates', 'data.mdb');
    const bytes = await readFile(log);
    // The payload of write 17 is msgpack's {"write": 17}; LMDB may still hold older copies of the page
    const mark = Buffer.from([0x81, 0xa5, ...Buffer.from('write'), 17]);
    let found = 0;
    for (let i = bytes.indexOf(mark); i >= 0; i = bytes.indexOf(mark, i + 1)) {
      bytes[i + 7] = 99;
      found++;
    }
    assert.ok(found > 0);
    await writeFile(log, bytes);
    await withOpened(at, async (opened) => {
      assert.match(opened.live.describeLive().warnings[0]!.message, /^updates 18 of the log are damaged/);
      await checkThere(opened, 0, 17);
      await checkThere(opened, 17, 18, false);
      await checkThere(opened, 18, 30);
      assert.equal(opened.engine.describe().count, 29);
      await opened.live.checkpoint();
      await checkThere(opened, 18, 30);
    });
  });
});

test('a full disk refuses writes with disk_full, shows nothing of them, and reads go on', async (t) => {
  if (process.platform === 'win32') return t.skip('there are no resource limits on Windows');
  const at = await fresh();
  const child = new URL('../support/full-disk-child.js', import.meta.url).pathname;
  // No file may grow beyond 1,000 blocks of 512 or 1024 bytes
  const output = execFileSync(
    'sh',
    ['-c', `trap '' XFSZ; ulimit -f 1000; exec "$0" "$@"`, process.execPath, child, at],
    { encoding: 'utf8' },
  );
  const { acked, ...rest } = JSON.parse(output) as { acked: number };
  assert.ok(acked > 10, output);
  const expected = { code: 'disk_full', count: acked, isKept: true, isRefusedSeen: false, hits: 10 };
  // What is small may still fit
  const { again, ...found } = rest as { again: string };
  assert.deepEqual(found, expected);
  assert.ok(again === 'taken' || again === 'disk_full', again);
  await withOpened(at, async (opened) => {
    assert.equal(opened.engine.describe().count, acked + (again === 'taken' ? 1 : 0));
    await checkThere(opened, 1, acked + 1);
    await checkThere(opened, acked + 1, acked + 2, false);
    await fill(opened, acked + 1, acked + 20);
  });
});

describe('a shard', () => {
  /** Room for the scratch and some blocks. */
  const LIMIT_BYTES = 6 * 2 ** 20;

  test('that is full refuses what does not fit, whole, and takes what does', async () => {
    const at = await fresh();
    const heard: string[] = [];
    const options = {
      limitBytes: LIMIT_BYTES,
      onWarning: ({ message }: { message: string }) => heard.push(message),
    };
    let written = 0;
    await withOpened(
      at,
      async (opened) => {
        const { live, engine } = opened;
        const write = (from: number, n: number) =>
          live.upsert(
            Array.from({ length: n }, (_, i) => pinOf(`p${from + i}`, from + i, true)),
            CONFIG,
          );
        for (;;) {
          // Two writes at once: one refused must not take the other with it
          const outcomes = await Promise.allSettled([write(written, 500), write(written + 500, 500)]);
          const refused = outcomes.filter((each) => each.status === 'rejected');
          for (const { reason } of refused) assert.equal(reason.code, 'shard_full');
          assert.equal(engine.describe().count, written + 1000 - 500 * refused.length);
          if (refused.length > 0) break;
          written += 1000;
          assert.ok(written < 100_000);
        }
        const { fill: full, warnings } = live.describeLive();
        assert.ok(full > 0.8 && full <= 1, `${full}`);
        assert.match(warnings[0]!.message, /a shard holds \d+ of at most \d+ bytes/);
        assert.equal(warnings[0]!.code, 'shard_full');
        assert.equal(heard.length, 1, 'it is said once');
        assert.match(heard[0]!, /a shard holds \d+ of at most \d+ bytes/);
        for (let n = 0; n < 4000; n += 500) {
          await live.delete(Array.from({ length: 500 }, (_, i) => ({ id: `p${n + i}` })));
        }
        await live.loaded.applier.settled();
        // Room again, once the sweep has passed and no reader can hold the slots
        await write(200_000, 100);
        assert.equal(live.loaded.shards.shards[0]!.validate(), undefined);
      },
      options,
    );
    await withOpened(
      at,
      async (opened) => {
        await checkThere(opened, 200_000, 200_100);
        await checkThere(opened, 0, 20, false);
        assert.equal(heard.length, 2, 'and once more after a restart');
      },
      options,
    );
  });

  test('that does not fit the limit or the memory is refused with numbers, before it is loaded', async () => {
    const at = await fresh();
    await withOpened(at, async (opened) => {
      await fill(opened, 0, 50);
      await opened.live.checkpoint();
    });
    await assert.rejects(
      openEngine(at, host, { limitBytes: 2 ** 20 }),
      (error: { code: string; message: string }) => {
        assert.equal(error.code, 'shard_full');
        assert.match(error.message, /needs \d+ bytes of memory and its limit is \d+/);
        return true;
      },
    );
    const poor = createEngineHost('wasm', 1, { availableBytes: () => 100_000 });
    await assert.rejects(openEngine(at, poor), (error: { code: string; message: string }) => {
      assert.equal(error.code, 'not_enough_memory');
      assert.match(error.message, /needs \d+ bytes of memory and 100000 are available/);
      return true;
    });
    await poor.close();
    await withOpened(at, (opened) => checkThere(opened, 0, 50));
  });

  test('in which a writer faults is loaded anew, with everything that was acknowledged', async () => {
    const at = await fresh();
    await withOpened(at, async (opened) => {
      const { live } = opened;
      await fill(opened, 0, 200);
      for (const shard of live.loaded.shards.shards) breakLinks(shard);
      const outcome = await live.upsert([pinOf('p200', 200, true), pinOf('p201', 201, true)], CONFIG).then(
        () => 'taken',
        ({ code }: { code: string }) => code,
      );
      assert.equal(outcome, 'core_trap');
      for (let i = 0; i < 200 && live.describeLive().warnings.length === 0; i++)
        await new Promise(setImmediate);
      assert.match(live.describeLive().warnings[0]!.message, /a writer failed and the index is loaded anew/);
      // Writes are refused until then, and taken after
      for (let i = 0; ; i++) {
        try {
          await fill(opened, 300, 301);
          break;
        } catch (error) {
          assert.ok(i < 1000 && (error as { code: string }).code === 'core_trap', String(error));
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      }
      await checkThere(opened, 0, 200);
      await checkThere(opened, 300, 301);
      for (const shard of live.loaded.shards.shards) assert.equal(shard.validate(), undefined);
    });
  });
});

/** Points every node's upper links out of the memory. */
function breakLinks(shard: Shard): void {
  const inside = new Inside(shard.memory);
  for (let ordinal = 0; ordinal < shard.count; ordinal++)
    inside.node(ordinal).setUint32(L.NODE_RECORD, 0xf0000000, true);
}
