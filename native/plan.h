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

INLINE u32 passes(u32 reader, u32 ordinal) {
  if (S(reader, S_FILTERED) == NP_FILTER_MASK) return bit_get(MASK(reader), ordinal);
  return S(reader, S_FILTERED) == NP_FILTER_NONE || filter_accepts(SCRATCH(u32, reader, H_S_INPUT), ordinal);
}
INLINE u32 accepts(u32 reader, u32 ordinal) { return is_live(ordinal) && passes(reader, ordinal); }

/* Estimates the share of matching ones among the live from rows evenly spread over the ordinals: S_SAMPLED live ones,
 * of which S_ACCEPTED match. */
static void estimate(u32 reader) {
  u32 sampled = 0, accepted = 0, count = S(reader, S_COUNT);
  for (u32 i = 1; i <= SAMPLE && count > 0; i++) {
    /* multiples of the golden ratio, modulo 1 */
    u32 ordinal = (u32)((u64)(i * 2654435769u) * count >> 32);
    if (!is_live(ordinal)) continue;
    sampled++;
    accepted += passes(reader, ordinal);
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
