import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import test, { describe } from 'node:test';
import { fileURLToPath } from 'node:url';
import { hugePagesSetting } from '../../bench/report/environment.ts';
import { adviseHugePages } from '../../src/core/huge-pages.ts';
import { copyShard, createShard } from '../../src/core/shard.ts';
import { type WasmMemory, wasm } from '../../src/core/webassembly.ts';
import { CORE, configOf } from './shards.ts';

const ROLLUP = '/proc/self/smaps_rollup';
const MIB = 2 ** 20;
const PAGE = 2 ** 16;
const BYTES = 32 * MIB;
/** More than other memory of this process takes meanwhile; a machine whose memory is in pieces has few huge pages to give. */
const OTHERS = 4 * MIB;

/** Why this machine gives nobody huge pages; false where it does to who asks. */
function refusal(): string | false {
  const setting = hugePagesSetting();
  if (setting === null || !existsSync(ROLLUP)) return 'no Linux that tells of huge pages';
  if (setting !== 'madvise') return 'huge pages are for all, or for nobody';
  try {
    createRequire(import.meta.url).resolve('koffi');
    return false;
  } catch {
    return 'koffi is not installed';
  }
}

function hugeBytes(): number {
  return Number(/^AnonHugePages:\s+(\d+) kB$/m.exec(readFileSync(ROLLUP, 'utf8'))![1]) * 1024;
}

/** Bytes of huge pages that filling the last 32 MiB of a memory takes. */
function fill({ buffer }: WasmMemory): number {
  const before = hugeBytes();
  new Uint8Array(buffer, buffer.byteLength - BYTES).fill(1);
  return hugeBytes() - before;
}

describe('huge pages', { skip: refusal() }, () => {
  test('hold what is written between the two ends, also where the memory grew later', () => {
    const memory = new wasm.Memory({ initial: 1, maximum: 1024, shared: true });
    adviseHugePages(memory, PAGE, 1024 * PAGE);
    memory.grow(BYTES / PAGE);
    assert.ok(fill(memory) > OTHERS);
  });

  test('hold nothing of a memory that asked for none', () => {
    const memory = new wasm.Memory({ initial: BYTES / PAGE, maximum: BYTES / PAGE, shared: true });
    assert.ok(fill(memory) < OTHERS);
  });

  test('hold the blocks of a shard and of its copy, and not the scratch', () => {
    const before = hugeBytes();
    const memory = createShard(CORE, configOf({ dim: 16, metric: 'cosine' }), { readers: 64 });
    assert.equal(hugeBytes(), before);
    memory.grow(BYTES / PAGE);
    const copy = copyShard(memory);
    assert.equal(hugeBytes(), before);
    assert.ok(fill(memory) > OTHERS);
    assert.ok(fill(copy) > OTHERS);
  });
});

test('a shard without koffi answers as ever', () => {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [fileURLToPath(new URL('without-koffi.js', import.meta.url))],
    { encoding: 'utf8' },
  );
  assert.equal(stderr, '');
  assert.equal(stdout, '3\n');
  assert.equal(status, 0);
});
