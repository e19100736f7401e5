/** MurmurHash3 against values that others publish. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { murmur3 } from '../../src/lib/murmur3.ts';

it('is MurmurHash3 for x86 in 32 bits', () => {
  const vectors: readonly (readonly [text: string, seed: number, hash: number])[] = [
    ['', 0, 0],
    ['', 1, 0x514e28b7],
    ['', 0xffffffff, 0x81f16f39],
    ['test', 0, 0xba6bd213],
    ['test', 0x9747b28c, 0x704b81dc],
    ['Hello, world!', 0, 0xc0363e43],
    ['Hello, world!', 0x9747b28c, 0x24884cba],
    ['The quick brown fox jumps over the lazy dog', 0, 0x2e4ff723],
    ['The quick brown fox jumps over the lazy dog', 0x9747b28c, 0x2fa826cd],
    ['aaa', 0x9747b28c, 0x283e0130],
  ];
  for (const [text, seed, hash] of vectors)
    assert.equal(murmur3(new TextEncoder().encode(text), seed).toString(16), hash.toString(16), text);
});
