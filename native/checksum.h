/*
 * A checksum at the speed of memory, for the blocks of a segment: Fletcher's two sums (IEEE Transactions on
 * Communications 30, 1982), one of the words and one of the words by their distance from the end, in eight lanes of 64
 * bits. Up to 256 KiB no sum wraps, so only damage that is balanced in both sums of a lane goes unseen: three words of it
 * at least. The sums are then mixed into 32 bits by the finaliser of SplitMix64 (Steele, Lea and Flood, 2014).
 */
#ifndef NP_CHECKSUM_H
#define NP_CHECKSUM_H

#include "simd.h"

INLINE u64 mixed(u64 h, u64 sum) {
  h ^= sum;
  h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9ull;
  h = (h ^ (h >> 27)) * 0x94d049bb133111ebull;
  return h ^ (h >> 31);
}

INLINE u64 mixed_lanes(u64 h, vec sums) {
  return mixed(mixed(h, (u64)i64x2_lane(sums, 0)), (u64)i64x2_lane(sums, 1));
}

/* Of a multiple of 32 bytes, at most 256 KiB. */
INLINE u32 checksum(u32 at, u32 bytes, u32 so_far) {
  vec a0 = i64x2_zero(), a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
  for (u32 end = at + bytes; at != end; at += 32) {
    vec low = vec_load(AT(u8, at)), high = vec_load(AT(u8, at + 16));
    a0 = i64x2_add(a0, i64x2_low_u32x4(low));
    a1 = i64x2_add(a1, i64x2_high_u32x4(low));
    a2 = i64x2_add(a2, i64x2_low_u32x4(high));
    a3 = i64x2_add(a3, i64x2_high_u32x4(high));
    b0 = i64x2_add(b0, a0);
    b1 = i64x2_add(b1, a1);
    b2 = i64x2_add(b2, a2);
    b3 = i64x2_add(b3, a3);
  }
  u64 h = mixed_lanes(mixed_lanes(mixed_lanes(mixed_lanes(so_far, a0), a1), a2), a3);
  h = mixed_lanes(mixed_lanes(mixed_lanes(mixed_lanes(h, b0), b1), b2), b3);
  return (u32)(h ^ (h >> 32));
}

#endif
