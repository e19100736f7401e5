/* How far a search looks, which is where it stops. */
#ifndef NP_WIDTH_H
#define NP_WIDTH_H

#include "queue.h"

/* Candidates that are rescored: some more than k, to learn what codes leave out, and no more than so many; a wide search, which
 * is to find the last few, looks at more that codes place behind. */
#define RESCORED_MIN 6
#define RESCORED_MAX 32
INLINE u32 rescored_max(u32 k, u32 ef) { return 2 * k + max_u32(RESCORED_MAX, ef / 4); }

typedef struct {
  u32 ef, capacity; /* of the queue: ef, or more where not all of it is expanded */
  u32 rank;         /* only what is not further than `reach` times the candidate of this rank is expanded; 0: everything */
  f32 reach;
  u32 kept; /* so many of the nearest are kept even if out of reach, to be rescored */
} Width;

/* The ef nearest are expanded, for insertion and where a distance is no length. */
INLINE Width whole_width(u32 ef) {
  Width w = {ef, ef, 0, 0, ef};
  return w;
}

/* Stops by distance, not by count (distance-adaptive beam search, Al-Jazzazi et al., 2025): where many are about as near as
 * the last that is wanted, more than ef are expanded, up to twice as many; where the rest is clearly further, fewer. About ef
 * should lie in reach: in m dimensions the number of candidates grows as the m-th power of the distance, so the squared
 * distances reach (ef / rank)^(2 / m) times as far. m is 16: embeddings have 10 to 25, and ef alone says how wide. */
#define REACH_RANK 10
#define REACH_SQUARE_ROOTS 3
INLINE Width adaptive_width(u32 ef, u32 k) {
  u32 rank = max_u32(k, REACH_RANK);
  Width w = {ef, min_u32(2 * ef, NP_EF_MAX), rank, (f32)max_u32(ef, rank) / (f32)rank, min_u32(rescored_max(k, ef), ef)};
  for (u32 i = 0; i < REACH_SQUARE_ROOTS; i++) w.reach = __builtin_sqrtf(w.reach);
  return w;
}

/* The last key that would be expanded. Where the nearest are very near, little is in reach; so the nearest ef / REACH_LEAST are
 * expanded however far they are. */
#define REACH_LEAST 8
INLINE u64 last_in_reach(const Width *w, const u64 *queue, u32 size) {
  if (!w->rank || size < w->rank) return ~0ull;
  /* a code may seem nearer than nothing at all */
  f32 distance = key_distance(queue[w->rank - 1]);
  u64 last = key_of(distance < 0 ? distance : w->reach * distance, NP_NONE >> 1);
  u32 least = min_u32(max_u32(w->ef / REACH_LEAST, w->rank), size);
  return queue[least - 1] > last ? queue[least - 1] : last;
}

/* Whether candidate i is a copy whose list would tell little: `COPIES` as far as it stand before it, whose lists lead to the
 * same neighbours, and as many candidates as are wanted are at least as near. */
#define COPIES 2
INLINE u32 is_told(const Width *w, const u64 *queue, u32 size, u32 i) {
  if (!w->rank || size < w->rank || i < COPIES) return 0;
  u64 distance = queue[i] >> 32;
  return queue[i - COPIES] >> 32 == distance && queue[w->rank - 1] >> 32 <= distance;
}

/* Leaves in the queue what may be expanded or rescored; returns the last key that it has a use for. */
INLINE u64 narrow(const Width *w, const u64 *queue, u32 *size, u64 last) {
  if (!w->rank || *size < w->kept) return ~0ull;
  u64 furthest = queue[w->kept - 1] > last ? queue[w->kept - 1] : last;
  while (queue[*size - 1] > furthest) --*size;
  return furthest;
}

#endif
