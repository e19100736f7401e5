import assert from 'node:assert/strict';
import test, { describe } from 'node:test';
import fc from 'fast-check';
import { checksum, hex32 } from '../../src/lib/checksum.ts';

/** CRC-32 bit by bit, from its definition. */
function naive(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

describe('checksum', () => {
  test('gives the check value of CRC-32', () => {
    assert.equal(checksum(Buffer.from('123456789')), 0xcbf43926);
    assert.equal(checksum(new Uint8Array(0)), 0);
  });

  test('equals its definition, whole and in chunks', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(300), (bytes, cut) => {
        assert.equal(checksum(bytes), naive(bytes));
        assert.equal(checksum(bytes.subarray(cut), checksum(bytes.subarray(0, cut))), naive(bytes));
      }),
      { seed: 1 },
    );
  });

  test('reads shared memory', () => {
    const shared = new Uint8Array(new SharedArrayBuffer(20), 3, 9);
    shared.set(Buffer.from('123456789'));
    assert.equal(checksum(shared), 0xcbf43926);
  });

  test('is written as eight lower-case digits', () => {
    assert.equal(hex32(0), '00000000');
    assert.equal(hex32(0xabc), '00000abc');
    assert.equal(hex32(0xffffffff), 'ffffffff');
  });
});
