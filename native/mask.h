/*
 * Masks: one bit per ordinal, set for the live pins that a filter accepts. A search that needs to know all of them
 * evaluates the filter on every row once, into the reader's scratch.
 */
#ifndef NP_MASK_H
#define NP_MASK_H

#include "filter.h"
#include "simd.h"

/* Leaves the bits of live ones alone, of the 32 ordinals from `first` on. */
static u32 live_of(u32 bits, u32 first) {
  for (u32 left = bits; left; left &= left - 1) {
    u32 i = (u32)__builtin_ctz(left);
    if (!is_live(first + i)) bits &= ~(1u << i);
  }
  return bits;
}

/* Writes the bits from *cursor on, until the budget of distances is used up; returns how many of them are set. All of the
 * ordinals are live when the shard is `whole`. 32 rows count as one distance, which is about what they cost. */
static u32 mask_fill(u32 *mask, const u32 *program, u32 *cursor, u32 count, u32 whole, i32 *budget) {
  /* the blocks of a small shard are less than a word */
  u32 matching = 0, block = 1u << H(H_BLOCK_SHIFT), together = block < 32 ? block : FILTER_ROWS;
  while (*cursor < count && *budget > 0) {
    u32 bits[FILTER_WORDS], n = min_u32(count - *cursor, together);
    filter_rows(program, *cursor, n, bits);
    for (u32 i = 0; i < n; i += 32) {
      u32 at = *cursor + i, word = whole ? bits[i / 32] : live_of(bits[i / 32], at);
      matching += (u32)__builtin_popcount(word);
      mask[at / 32] = at % 32 ? mask[at / 32] | word << at % 32 : word;
    }
    *cursor += n;
    *budget -= (i32)((n + 31) / 32);
  }
  return matching;
}

/* Up to `wanted` ordinals of the mask, evenly spread over its `matching` bits; returns how many. */
static u32 mask_spread(const u32 *mask, u32 count, u32 matching, u32 wanted, u32 *out) {
  u32 n = 0, before = 0; /* bits set below the word */
  u64 next = matching / (2 * wanted);
  for (u32 w = 0; w < (count + 31) / 32 && n < wanted; w++) {
    u32 bits = load(mask + w), here = (u32)__builtin_popcount(bits);
    for (; n < wanted && next < before + here; next = (u64)matching * (2 * n + 1) / (2 * wanted)) {
      u32 left = bits;
      for (u32 skip = (u32)next - before; skip > 0; skip--) left &= left - 1;
      out[n++] = w * 32 + (u32)__builtin_ctz(left);
    }
    before += here;
  }
  return n;
}

#endif
