/*
 * The candidates of a search: one sorted array of at most ef keys, nearest first (the linear pool of NSG, Fu et al.,
 * VLDB 2019, Algorithm 1), which is both queue and result list. A key is one u64: the distance's bits, ordered, above
 * the ordinal, above the bit that says "expanded"; so comparing keys breaks ties by ordinal, and results do not
 * depend on the order in which candidates were found.
 */
#ifndef NP_QUEUE_H
#define NP_QUEUE_H

#include "simd.h"

#define KEY_FLIP (1ull << 63)

INLINE u32 ordered_bits(f32 d) {
  union { f32 f; u32 u; } x = {d};
  return x.u ^ ((u32)((i32)x.u >> 31) | 0x80000000u);
}
INLINE f32 from_ordered_bits(u32 bits) {
  union { u32 u; f32 f; } x = {bits ^ (bits & 0x80000000u ? 0x80000000u : 0xffffffffu)};
  return x.f;
}
INLINE u64 key_of(f32 distance, u32 ordinal) { return (u64)ordered_bits(distance) << 32 | (u64)ordinal << 1; }
INLINE u32 key_ordinal(u64 key) { return (u32)key >> 1; }
INLINE f32 key_distance(u64 key) { return from_ordered_bits((u32)(key >> 32)); }
INLINE u32 key_expanded(u64 key) { return (u32)key & 1; }

/* Inserts into keys[0..*size) of room `max`; returns the position, or max when the key is beyond the last of a full
 * queue. Shifts by a loop: memory.copy of a few bytes is a call in V8. */
INLINE u32 queue_insert(u64 *keys, u32 *size, u32 max, u64 key) {
  u32 i = *size;
  if (i == max) {
    if (key >= keys[max - 1]) return max;
    i--;
  } else {
    *size = i + 1;
  }
  while (i > 0 && keys[i - 1] > key) {
    keys[i] = keys[i - 1];
    i--;
  }
  keys[i] = key;
  return i;
}

/* Sorts n keys, all different, into `sorted`: each goes where as many are below it, which takes n * n comparisons but no
 * branch that could be mispredicted. `keys` has room for one more and is changed. */
static void sort_keys(u64 *keys, u32 n, u64 *sorted) {
  keys[n] = ~0ull;
  /* comparisons are of signed numbers: flipping the top bit keeps the order */
  for (u32 i = 0; i <= n; i++) keys[i] ^= KEY_FLIP;
  for (u32 i = 0; i < n; i++) {
    vec key = i64x2_splat((i64)keys[i]), below = i64x2_zero();
    for (u32 j = 0; j < n; j += 2) below = i64x2_sub(below, i64x2_below(vec_load(keys + j), key));
    sorted[i64x2_lane(below, 0) + i64x2_lane(below, 1)] = keys[i] ^ KEY_FLIP;
  }
}

/* Merges m sorted keys into keys[0..*size) of room `max`, in one pass from the end; returns where the first of them
 * stands, max when none has found room. The keys in `fresh` differ from those in the queue. */
INLINE u32 queue_merge(u64 *keys, u32 *size, u32 max, const u64 *fresh, u32 m) {
  u32 old = *size, total = old + m;
  /* what is beyond the room falls off at the far end, from whichever side it is */
  while (total > max) {
    if (m > 0 && (old == 0 || fresh[m - 1] > keys[old - 1])) m--;
    else old--;
    total--;
  }
  *size = total;
  u32 first = max;
  while (m > 0) {
    if (old > 0 && keys[old - 1] > fresh[m - 1]) {
      keys[--total] = keys[--old];
    } else {
      keys[--total] = fresh[--m];
      first = total;
    }
  }
  return first;
}

/* The most that is offered at once. */
#define OFFERED_MAX (6 * NP_M_MAX)

/* Offers n candidates, none of which stands in the queue, at their distances (read by fours); returns where the first of
 * them stands, `max` when none has found room. */
INLINE u32 queue_offer(u64 *keys, u32 *size, u32 max, const u32 *ordinals, const f32 *distances, u32 n) {
  u64 fresh[OFFERED_MAX + 1], sorted[OFFERED_MAX], worst = *size == max ? keys[max - 1] : ~0ull;
  u32 m = 0;
  /* few are near enough for a full queue: four are looked at together, and only the keys of those are made */
  vec last = f32x4_splat(*size == max ? key_distance(worst) : __builtin_inff());
  for (u32 i = 0; i < n; i += 4) {
    for (u32 near = f32x4_not_above(vec_load(distances + i), last); near; near &= near - 1) {
      u32 j = i + (u32)__builtin_ctz(near);
      if (j >= n) break;
      u64 key = key_of(distances[j], ordinals[j]);
      fresh[m] = key;
      m += key < worst;
    }
  }
  if (m == 0) return max;
  sort_keys(fresh, m, sorted);
  return queue_merge(keys, size, max, sorted, m);
}

#endif
