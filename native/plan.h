/*
 * How a filtered search goes about it. What is decided here follows from the set of matching pins alone, never from
 * how a filter is written or from what happens to be cached: so filters that accept the same pins give the same hits.
 *
 *   many match      the graph is searched as without a filter, a little wider, and its candidates are held against the
 *                   filter from the nearest on: no row is read but theirs. Whether enough of the nearest match, which
 *                   is another question when the filter follows the vectors, the result itself shows.
 *   few match       all of them are compared: by their codes, then rescored; when they are very few at once by the
 *                   finest level.
 *   between         the two-hop search (two_hop.h), from matching nodes spread over the mask.
 */
#ifndef NP_PLAN_H
#define NP_PLAN_H

#include "mask.h"
#include "queue.h"

/* Rows that the share of matching pins is estimated from. */
#define SAMPLE 128
/* The share, 1 in so many, from which on the graph is searched first. */
#define MANY_MATCH 12
/* Candidates for each that is wanted, so that the graph's nearest k matching ones can be believed. */
#define DEPTH 2
/* After so many distances of a search of the graph it is looked whether it will do. */
#define PROBE 300
/* It will not when the share of matching ones near the query is below the estimate's, 1 in so many. */
#define PROMISING 2
/* For each of ef, and each pin among which one matches: comparing so many codes in a row costs what the two-hop search
 * does, which reads the more lists the fewer match. It reads all that there are where one in SCAN_SHARE matches. */
#define SCAN_PER_EF 8
#define SCAN_SHARE 24
/* So few are compared by the finest level at once. */
#define SCAN_FINE 512

/* The mask that the search uses, where it uses one: a kept one, or that in the scratch. */
#define MASK(reader) AT(u32, S(reader, S_MASK))

/* Whether links may lead to nodes in limbo. Where none may, no node's status needs to be fetched: what the search came by
 * was live when it began. */
INLINE u32 any_limbo(void) { return load(&H(H_LIMBO_SWEPT)) != NP_NONE || load(&H(H_LIMBO_NEW)) != NP_NONE; }

/* So many ordinals are held against the filter together: each row is a line of memory to wait for, and they are waited
 * for at once. */
#define JUDGED_TOGETHER 32

/* Bit i: whether the filter accepts ordinal i of n, 1 to JUDGED_TOGETHER. */
static u32 passing(u32 reader, const u32 *ordinals, u32 n) {
  u32 bits = 0;
  if (S(reader, S_FILTERED) == NP_FILTER_NONE) return ~0u >> (JUDGED_TOGETHER - n);
  if (S(reader, S_FILTERED) == NP_FILTER_ROWS) return filter_each(SCRATCH(u32, reader, H_S_INPUT), ordinals, n);
  for (u32 i = 0; i < n; i++) bits |= bit_get(MASK(reader), ordinals[i]) << i;
  return bits;
}

/* Leaves the bits of live ones alone: bit i is that of ordinals[i]. */
static u32 live_each(u32 bits, const u32 *ordinals) {
  for (u32 left = bits; left; left &= left - 1) {
    u32 i = (u32)__builtin_ctz(left);
    if (!is_live(ordinals[i])) bits &= ~(1u << i);
  }
  return bits;
}

/* Bit i: whether candidate i of n, 1 to JUDGED_TOGETHER, is live and passes; writes the ordinal of each. */
static u32 accepted_of(u32 reader, const u64 *keys, u32 n, u32 *ordinals) {
  for (u32 i = 0; i < n; i++) ordinals[i] = key_ordinal(keys[i]);
  u32 bits = passing(reader, ordinals, n);
  return any_limbo() ? live_each(bits, ordinals) : bits;
}

/* Estimates the share of matching ones among the live from rows evenly spread over the ordinals: S_SAMPLED live ones,
 * of which S_ACCEPTED match. */
static void estimate(u32 reader) {
  u32 sampled = 0, accepted = 0, count = S(reader, S_COUNT), whole = S(reader, S_WHOLE);
  for (u32 i = 0; i < SAMPLE && count > 0;) {
    u32 ordinals[JUDGED_TOGETHER], n = 0;
    /* multiples of the golden ratio, modulo 1 */
    for (; n < JUDGED_TOGETHER; n++) ordinals[n] = (u32)((u64)(++i * 2654435769u) * count >> 32);
    u32 live = whole ? ~0u : live_each(~0u, ordinals);
    sampled += (u32)__builtin_popcount(live);
    accepted += (u32)__builtin_popcount(live & passing(reader, ordinals, n));
  }
  S(reader, S_SAMPLED) = sampled;
  S(reader, S_ACCEPTED) = accepted;
}

/* The width at which the graph is to be searched first, 0 when too few seem to match for that. */
static u32 width_of_graph(u32 reader) {
  u32 sampled = S(reader, S_SAMPLED), accepted = S(reader, S_ACCEPTED), ef = S(reader, S_EF_ASKED), k = S(reader, S_K);
  if (accepted == 0 || accepted * MANY_MATCH < sampled) return 0;
  u32 deepest = DEPTH * k * sampled / accepted; /* of those wanted, and twice as far down */
  u32 width = ef + (deepest - DEPTH * k);
  return width <= NP_EF_MAX ? width : 0;
}

/* The two-hop search is narrower than one without a filter where ef is much more than k: none of its candidates is there
 * in vain. Half of ef would bring recall below 0.95 where only what is far from the query matches. */
#define ENOUGH_FOR_EACH 4
static u32 width_of_two_hop(u32 reader) {
  u32 ef = S(reader, S_EF_ASKED);
  return max_u32(ef * 3 / 4, min_u32(ef, ENOUGH_FOR_EACH * S(reader, S_K)));
}

/* Whether to compare all matching ones rather than search among them. */
static u32 is_scan_cheaper(u32 reader) {
  u32 matching = S(reader, S_MATCHING), share = min_u32(H(H_LIVE) / max_u32(matching, 1), SCAN_SHARE);
  return matching <= (u64)SCAN_PER_EF * share * S(reader, S_EF_ASKED);
}

#endif
