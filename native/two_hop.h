/*
 * Searching among the pins of a mask alone, on the graph of all: ACORN-1 (Patel et al., SIGMOD 2024, section 5.3). Only
 * matching nodes are candidates. Where a node links to one that does not match, that one's list is read for matching
 * nodes two links away, until there are half of what a list has room for. So no distance is computed to what cannot
 * be a hit, and the matching nodes hang together at selectivities far below 1 / M0.
 */
#ifndef NP_TWO_HOP_H
#define NP_TWO_HOP_H

#include "distance.h"
#include "mask.h"
#include "width.h"

/* Nodes expanded together, as in the plain beam. */
#define TWO_HOP_BEAM 2
/* Lists of nodes between that are fetched from memory together. */
#define BRIDGES_TOGETHER 16
#define BRIDGES_MAX (TWO_HOP_BEAM * 2 * NP_M_MAX)
#define MATCHES_MAX (BRIDGES_MAX + 2 * NP_M_MAX)

/* Appends to found[n..] the matching nodes of a list that were not visited before the last call of mark_found. What is
 * no node of this search, the end of the list included, counts as the node `limit`, which is visited. No bit is written
 * here: neighbours share words of the bitmaps, and each would wait for the one before. */
INLINE u32 gather_matching(const u32 *list, u32 room, const u32 *mask, u32 limit, const u32 *visited, u32 *found, u32 n) {
  for (u32 i = 0; i < room; i++) {
    u32 node = min_u32(plain(list + i) - 1, limit), at = node >> 5;
    found[n] = node;
    n += (plain(mask + at) & ~visited[at]) >> (node & 31) & 1;
  }
  return n;
}

/* Marks found[from..n] as visited and leaves each in it once; returns the new n. */
INLINE u32 mark_found(u32 *visited, u32 *found, u32 from, u32 n) {
  for (u32 i = from; i < n; i++) {
    u32 node = found[i], word = visited[node >> 5], bit = 1u << (node & 31);
    visited[node >> 5] = word | bit;
    found[from] = node;
    from += (word & bit) == 0;
  }
  return from;
}

/* The matching nodes, not visited before, that n expanded nodes lead to over one link or two, to found[]; marks them
 * and the nodes between. Returns how many; *reads counts lists. */
static u32 two_hop_gather(const Shape *s, const u32 *mask, u32 limit, u32 *visited, const u32 *nodes, u32 n_nodes,
                          u32 *found, u32 *reads) {
  u32 bridges[BRIDGES_MAX + 1], between = 0, n = 0, enough = n_nodes * s->m0 / 2;
  for (u32 e = 0; e < n_nodes; e++) touch(links_at(s, nodes[e]), s->m0 * 4);
  for (u32 e = 0; e < n_nodes; e++) {
    const u32 *list = links_at(s, nodes[e]);
    for (u32 i = 0; i < s->m0; i++) {
      u32 node = min_u32(plain(list + i) - 1, limit), at = node >> 5, shift = node & 31;
      u32 fresh = ~visited[at] >> shift & 1, match = plain(mask + at) >> shift & fresh;
      found[n] = bridges[between] = node;
      n += match;
      between += fresh ^ match;
    }
  }
  n = mark_found(visited, found, 0, n);
  for (u32 j = 0; j < between && n < enough;) {
    u32 end = min_u32(between, j + BRIDGES_TOGETHER), more = n;
    for (u32 b = j; b < end; b++) touch(links_at(s, bridges[b]), s->m0 * 4);
    for (; j < end && more < enough; j++) {
      if (bit_get(visited, bridges[j])) continue; /* it is in both lists */
      bit_set(visited, bridges[j]);
      ++*reads;
      more = gather_matching(links_at(s, bridges[j]), s->m0, mask, limit, visited, found, more);
    }
    n = mark_found(visited, found, n, more);
  }
  return n;
}

/* The beam over the matching nodes, from what stands in the queue until no candidate is left to expand or the budget is
 * used up. A list read counts as a distance. */
static void two_hop(const Shape *s, const Query *q, const u32 *mask, const Width *w, u64 *queue, u32 *queue_size,
                    u32 *queue_cursor, u32 *visited, u32 limit, i32 *budget, u32 *distances_made, u32 *hops) {
  u32 size = *queue_size, cursor = *queue_cursor;
  while (cursor < size && *budget > 0) {
    u32 found[MATCHES_MAX + 1], nodes[TWO_HOP_BEAM], expanded = 0, reads = 0, next = cursor;
    f32 distances[MATCHES_MAX];
    u64 last = last_in_reach(w, queue, size), furthest = narrow(w, queue, &size, last);
    if (queue[cursor] > last) {
      cursor = size;
      break;
    }
    for (; next < size && expanded < TWO_HOP_BEAM && queue[next] <= last; next++) {
      if (key_expanded(queue[next])) continue;
      nodes[expanded++] = key_ordinal(queue[next]);
      queue[next] |= 1;
    }
    u32 n = two_hop_gather(s, mask, limit, visited, nodes, expanded, found, &reads);
    distances_to(s, q, found, n, distances);
    cursor = min_u32(next, queue_offer(queue, &size, w->capacity, furthest, found, distances, n));
    while (cursor < size && key_expanded(queue[cursor])) cursor++;
    *budget -= (i32)(n + expanded + reads);
    *distances_made += n;
    *hops += expanded + reads;
  }
  *queue_size = size;
  *queue_cursor = cursor;
}

#endif
