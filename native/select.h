/*
 * Choosing neighbours: Algorithm 4 of Malkov and Yashunin with the relaxation of DiskANN's RobustPrune (Subramanya et
 * al., NeurIPS 2019, Algorithm 2): a candidate is left out when some chosen one lies nearer to it, by the factor
 * alpha, than the node itself. Of several equally near that are copies of each other one is chosen, so that duplicates
 * cannot fill a list; and a copy of the node itself, which is as near to everything as the node, leaves out only other
 * copies: else two duplicates would leave all links away from here to each other, and neither have any.
 *
 * Links of the spanning tree (tree.h) are always kept.
 */
#ifndef NP_SELECT_H
#define NP_SELECT_H

#include "search.h"

INLINE u32 is_tree_link(u32 a, u32 b) { return NODE_WORD(a, NODE_PARENT) == b || NODE_WORD(b, NODE_PARENT) == a; }

/* candidates[n], sorted, are keys by the distance to the node whose links are chosen; writes at most `max` ordinals.
 * `owner` is that node where it has tree links to keep, NP_NONE where it has none: a new one, or on an upper level. */
static u32 select_neighbours(const Shape *s, u32 reader, u32 owner, const u64 *candidates, u32 n, u32 max,
                             u32 *chosen) {
  i16 *values = NODE_VALUES(reader);
  f32 alpha = HF(H_ALPHA), distances[2 * NP_M_MAX + 1];
  u32 size = 0, reserved = 0;
  if (owner != NP_NONE)
    for (u32 i = 0; i < n; i++) reserved += is_tree_link(owner, key_ordinal(candidates[i]));
  for (u32 i = 0; i < n; i++) {
    u32 candidate = key_ordinal(candidates[i]);
    f32 distance = key_distance(candidates[i]);
    if (reserved > 0 && is_tree_link(owner, candidate)) {
      distances[size] = distance;
      chosen[size++] = candidate;
      reserved--;
      continue;
    }
    if (size + reserved >= max) continue;
    Query q = query_from_node(s, candidate, values);
    u32 occluded = 0;
    for (u32 j = 0; j < size && !occluded; j += 4) {
      f32 between[4];
      u32 some = min_u32(4, size - j);
      distances_to(s, &q, chosen + j, some, between);
      for (u32 l = 0; l < some; l++)
        occluded |= alpha * between[l] < distance || (between[l] == distance && distances[j + l] == distance);
    }
    if (occluded) continue;
    distances[size] = distance;
    chosen[size++] = candidate;
  }
  return size;
}

#endif
