/*
 * Masks: one bit per ordinal, set for the live pins that a filter accepts. A search that needs to know all of them
 * evaluates the filter on every row once, into the reader's scratch.
 */
#ifndef NP_MASK_H
#define NP_MASK_H

#include "filter.h"
#include "simd.h"

/* The bits of the ordinals from `first`, a multiple of 32, up to `count`; all of them are live when the shard is
 * `whole`. */
static u32 mask_word(const u32 *program, u32 first, u32 count, u32 whole) {
  u32 bits = 0, n = min_u32(count - first, 32), slots = 1u << H(H_BLOCK_SHIFT);
  for (u32 i = 0; i < n; i += slots) bits |= filter_rows(program, first + i, min_u32(n - i, slots)) << i;
  if (whole) return bits;
  for (u32 left = bits; left; left &= left - 1) {
    u32 i = (u32)__builtin_ctz(left);
    if (!is_live(first + i)) bits &= ~(1u << i);
  }
  return bits;
}

/* Writes the bits from *cursor on, until the budget of distances is used up; returns how many of them are set. 32 rows
 * count as one distance, which is about what they cost. */
static u32 mask_fill(u32 *mask, const u32 *program, u32 *cursor, u32 count, u32 whole, i32 *budget) {
  u32 matching = 0;
  for (; *cursor < count && *budget > 0; *cursor += 32, --*budget) {
    u32 bits = mask_word(program, *cursor, count, whole);
    mask[*cursor / 32] = bits;
    matching += (u32)__builtin_popcount(bits);
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
