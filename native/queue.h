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

/* The most that is offered at once. */
#define OFFERED_MAX (12 * NP_M_MAX)

/* Sorts the keys of n distances and ordinals into `sorted`: each goes where as many are below it, which takes n * n
 * comparisons, sixteen at a time, but no branch that could be mispredicted. Copies of each other are equally far and have
 * the same rank: they are put behind each other, and then into the order of their ordinals. Behind the distances there is
 * room for three. */
static void sort_keys(f32 *distances, const u32 *ordinals, u32 n, u64 *sorted) {
  u32 ranks[OFFERED_MAX];
  vec_store(distances + n, f32x4_splat(__builtin_inff()));
  for (u32 i = 0; i < n; i += 4) {
    vec d0 = f32x4_splat(distances[i]), d1 = f32x4_splat(distances[i + 1]);
    vec d2 = f32x4_splat(distances[i + 2]), d3 = f32x4_splat(distances[i + 3]);
    vec s0 = i32x4_zero(), s1 = s0, s2 = s0, s3 = s0;
    for (u32 j = 0; j < n; j += 4) {
      vec x = vec_load(distances + j);
      s0 = i32x4_sub(s0, f32x4_below(x, d0));
      s1 = i32x4_sub(s1, f32x4_below(x, d1));
      s2 = i32x4_sub(s2, f32x4_below(x, d2));
      s3 = i32x4_sub(s3, f32x4_below(x, d3));
    }
    vec_store(ranks + i, i32x4_sum_each(s0, s1, s2, s3));
  }
  u32 taken[OFFERED_MAX], sum = 0;
  for (u32 i = 0; i < n; i++) taken[i] = 0;
  for (u32 i = 0; i < n; i++) {
    u32 rank = ranks[i];
    sorted[rank + taken[rank]++] = key_of(distances[i], ordinals[i]);
    sum += rank;
  }
  if (sum == n * (n - 1) / 2) return;
  for (u32 i = 1; i < n; i++) {
    u64 key = sorted[i];
    u32 at = i;
    for (; at > 0 && sorted[at - 1] > key; at--) sorted[at] = sorted[at - 1];
    sorted[at] = key;
  }
}

/* Merges m sorted keys into keys[0..*size) of room `max`, in one pass from the end; returns where the first of them
 * stands, max when none has found room. The keys in `fresh` differ from those in the queue; before the queue there are a word
 * that may be read and a 0, which is below every key, and before `fresh` a word that may be read. */
INLINE u32 queue_merge(u64 *keys, u32 *size, u32 max, const u64 *fresh, u32 m) {
  u32 old = *size, total = old + m;
  /* what is beyond the room falls off at the far end, from whichever side it is */
  for (; total > max; total--) {
    if (fresh[m - 1] > keys[(i32)old - 1]) m--;
    else old--;
  }
  *size = total;
  if (m == 0) return max;
  /* Which side the next one comes from, nothing could predict, so there is no branch; and what comes after either is
   * loaded before it is known which it will be. */
  u64 mine = keys[(i32)old - 1], theirs = fresh[m - 1];
  do {
    u64 next_mine = keys[(i32)old - 2], next_theirs = fresh[(i32)m - 2];
    u32 is_mine = mine > theirs;
    keys[--total] = is_mine ? mine : theirs;
    old -= is_mine;
    m -= 1 - is_mine;
    mine = is_mine ? next_mine : mine;
    theirs = is_mine ? theirs : next_theirs;
  } while (m > 0);
  return total;
}

/* Offers n candidates, none of which stands in the queue, at their distances: those whose keys are below `furthest`.
 * Returns where the first of them stands, `max` when none has found room. */
INLINE u32 queue_offer(u64 *keys, u32 *size, u32 max, u64 furthest, const u32 *ordinals, const f32 *distances, u32 n) {
  u64 sorted[1 + OFFERED_MAX], worst = *size == max && keys[max - 1] < furthest ? keys[max - 1] : furthest;
  f32 near_distances[OFFERED_MAX + 4];
  u32 near_ordinals[OFFERED_MAX], m = 0;
  /* which are near enough, nothing could predict, so there is no branch */
  f32 last = worst == ~0ull ? __builtin_inff() : key_distance(worst);
  for (u32 i = 0; i < n; i++) {
    near_distances[m] = distances[i];
    near_ordinals[m] = ordinals[i];
    m += distances[i] <= last;
  }
  if (m == 0) return max;
  sort_keys(near_distances, near_ordinals, m, sorted + 1);
  return queue_merge(keys, size, max, sorted + 1, m);
}

#endif
