import assert from 'node:assert/strict';
import test, { describe } from 'node:test';
import { checksumOf } from '../../src/core/oracle.ts';
import { checksumIn } from '../../src/core/shard.ts';
import { wasm } from '../../src/core/webassembly.ts';
import { Prng } from '../../src/lib/prng.ts';
import { CORE } from '../support/built-index.ts';

const PIECE_BYTES = 256 * 1024;
const memory = new wasm.Memory({ initial: 64, maximum: 64, shared: true });
const sum = checksumIn(memory, CORE);

/** Bytes of the memory, filled by the seed. */
function bytesOf(start: number, length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(memory.buffer, start, length);
  const prng = new Prng(seed);
  for (let i = 0; i < length; i++) bytes[i] = prng.below(256);
  return bytes;
}

describe("the core's checksum", () => {
  test('is that of its twin, wherever the bytes lie and whatever came before', () => {
    for (const [i, length] of [0, 32, 64, 4096, 4128, PIECE_BYTES].entries()) {
      const bytes = bytesOf(1_000_000 + 4 * i, length, i);
      for (const soFar of [0, 1, 0x7fffffff, 0xffffffff]) {
        const expected = checksumOf(bytes, soFar);
        assert.equal(sum(bytes, soFar), expected);
        assert.ok(Number.isInteger(expected) && expected >= 0 && expected <= 0xffffffff);
      }
    }
  });

  test('is right where the sums are greatest', () => {
    const bytes = bytesOf(1_000_000, PIECE_BYTES, 1).fill(0xff);
    assert.equal(sum(bytes, 0), checksumOf(bytes, 0));
  });

  test('never changes: it is part of the format', () => {
    const bytes = bytesOf(1_000_000, 64, 1);
    for (let i = 0; i < bytes.length; i++) bytes[i] = i;
    assert.equal(sum(bytes, 0), 2_714_918_791);
  });

  test('tells every flipped bit, bytes that are zero, and blocks that have changed places', () => {
    const length = 8192;
    const bytes = bytesOf(1_000_000, length, 2);
    const whole = sum(bytes, 0);
    for (let bit = 0; bit < length * 8; bit++) {
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      assert.notEqual(sum(bytes, 0), whole, `bit ${bit}`);
      bytes[bit >> 3]! ^= 1 << (bit & 7);
    }
    assert.equal(sum(bytes, 0), whole);
    for (const size of [32, 512, 4096]) {
      const [first, second] = [bytes.slice(0, size), bytes.slice(size, 2 * size)];
      bytes.set(second);
      bytes.set(first, size);
      assert.notEqual(sum(bytes, 0), whole, `${size} bytes exchanged`);
      bytes.set(first);
      bytes.set(second, size);
      bytes.fill(0, 0, size);
      assert.notEqual(sum(bytes, 0), whole, `${size} bytes of zero`);
      bytes.set(first);
    }
    assert.notEqual(sum(bytes, 1), whole);
  });
});
