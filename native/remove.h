/*
 * Removal with repair. The neighbours of the removed node that link to it choose their links anew among their own and
 * its neighbours (FreshDiskANN, Singh et al., 2021, Algorithm 4, done at once for the neighbourhood); its children in
 * the tree get new parents. Links from farther away are found by a sweep that advances a little with each removal,
 * so no removal pays for a pass over the shard and the number of slots in limbo stays a small share.
 */
#ifndef NP_REMOVE_H
#define NP_REMOVE_H

#include "insert.h"

INLINE u32 in_limbo(u32 ordinal) { return NODE_BYTE(ordinal, NODE_STATUS) == NODE_LIMBO; }

static u32 contains(const u32 *ordinals, u32 n, u32 ordinal) {
  for (u32 i = 0; i < n; i++)
    if (ordinals[i] == ordinal) return 1;
  return 0;
}

static void add_candidates(u32 owner, u32 from, u32 level, u32 *ordinals, u32 *n, u32 room) {
  const u32 *list = list_of(from, level);
  for (u32 i = 0; i < list_max(level) && list[i] && *n < room; i++) {
    u32 candidate = list[i] - 1;
    if (candidate == owner || !is_live(candidate) || contains(ordinals, *n, candidate)) continue;
    ordinals[(*n)++] = candidate;
  }
}

/* Replaces the links of `owner` to nodes in limbo; the others stay where there is room, as choosing among them again
 * with each removal would thin the graph out. A node that is in limbo itself only loses links. */
static void repair(const Shape *s, u32 reader, u32 owner, u32 level) {
  u32 room = list_max(level), *list = list_of(owner, level), n = 0, hurt = 0;
  u32 ordinals[4 * NP_M_MAX], chosen[2 * NP_M_MAX];
  u64 keys[4 * NP_M_MAX];
  for (u32 i = 0; i < room && list[i]; i++) hurt |= in_limbo(list[i] - 1);
  if (!hurt) return;
  add_candidates(owner, owner, level, ordinals, &n, 4 * NP_M_MAX);
  if (is_live(owner)) {
    for (u32 i = 0; i < room && list[i]; i++)
      if (in_limbo(list[i] - 1)) add_candidates(owner, list[i] - 1, level, ordinals, &n, 4 * NP_M_MAX);
    keys_from(s, reader, owner, ordinals, n, keys);
    u32 linked = list_size(list, room);
    u32 size = select_neighbours(s, reader, level == 0 ? owner : NP_NONE, keys, n, room, chosen);
    for (u32 i = 0; i < n && size < room; i++) {
      u32 candidate = key_ordinal(keys[i]);
      if (list_has(list, linked, candidate) && !contains(chosen, size, candidate)) chosen[size++] = candidate;
    }
    write_list(list, room, chosen, size);
  } else {
    write_list(list, room, ordinals, n);
  }
}

/* Gives the children of a node that goes new parents: the first takes its place, the others go to a near node. */
static void reattach_children(const Shape *s, u32 reader, u32 ordinal) {
  u32 parent = NODE_WORD(ordinal, NODE_PARENT), first = NP_NONE;
  const u32 *list = links_of(ordinal);
  i16 *values = NODE_VALUES(reader);
  if (parent != NP_NONE) NODE_BYTE(parent, NODE_CHILDREN)--;
  for (u32 i = 0; i < H(H_M0) && list[i]; i++) {
    u32 child = list[i] - 1;
    if (NODE_WORD(child, NODE_PARENT) != ordinal || !is_live(child)) continue;
    NODE_WORD(child, NODE_PARENT) = NP_NONE;
    if (first == NP_NONE) {
      first = child;
      if (parent != NP_NONE) attach(s, reader, child, parent);
      continue;
    }
    u32 best = NP_NONE;
    f32 nearest = 0;
    Query q = query_from_node(s, child, values);
    const u32 *near = links_of(child);
    for (u32 j = 0; j < H(H_M0) && near[j]; j++) {
      u32 candidate = near[j] - 1;
      if (!is_live(candidate) || NODE_BYTE(candidate, NODE_CHILDREN) >= children_max()) continue;
      f32 distance = distance_to(s, &q, candidate);
      if (best != NP_NONE && distance >= nearest) continue;
      if (is_below(candidate, ordinal) || is_below(candidate, child)) continue;
      best = candidate;
      nearest = distance;
    }
    attach(s, reader, child, best != NP_NONE ? best : with_room(first));
  }
}

/* A live node of the highest level, looked for when the entry point is removed. */
static void choose_entry(void) {
  u32 best = NP_NONE, level = 0;
  for (u32 i = 0; i < H(H_COUNT); i++) {
    if (!is_live(i) || (best != NP_NONE && NODE_BYTE(i, NODE_LEVEL) <= level)) continue;
    best = i;
    level = NODE_BYTE(i, NODE_LEVEL);
  }
  H(H_MAX_LEVEL) = level;
  publish(&H(H_ENTRY), best);
}

/* Advances the sweep; a finished round frees what was in limbo when it began. */
static void sweep(const Shape *s, u32 reader) {
  u32 count = H(H_COUNT), cursor = H(H_SWEEP_CURSOR);
  u32 end = min_u32(count, cursor + count / (H(H_LIVE) / 64 + 16) + 1);
  for (; cursor < end; cursor++) {
    if (NODE_BYTE(cursor, NODE_STATUS) == NODE_FREE) continue;
    for (u32 level = 0; level <= NODE_BYTE(cursor, NODE_LEVEL); level++) repair(s, reader, cursor, level);
  }
  if (cursor < count) {
    H(H_SWEEP_CURSOR) = cursor;
    return;
  }
  make_pending();
  H(H_LIMBO_SWEPT) = H(H_LIMBO_NEW);
  H(H_LIMBO_NEW) = NP_NONE;
  H(H_SWEEP_CURSOR) = 0;
}

static i32 remove_ordinal(u32 reader, u32 ordinal) {
  if (ordinal >= H(H_COUNT) || !is_live(ordinal)) return NP_UNKNOWN;
  Shape s = shape_of_shard();
  set_status(ordinal, NODE_LIMBO);
  publish(&H(H_LIVE), H(H_LIVE) - 1);
  note_change(ordinal);
  if (H(H_ENTRY) == ordinal) choose_entry();
  reattach_children(&s, reader, ordinal);
  NODE_WORD(ordinal, NODE_PARENT) = NP_NONE;
  for (u32 level = 0; level <= NODE_BYTE(ordinal, NODE_LEVEL); level++) {
    const u32 *list = list_of(ordinal, level);
    for (u32 i = 0; i < list_max(level) && list[i]; i++)
      if (is_live(list[i] - 1)) repair(&s, reader, list[i] - 1, level);
  }
  NODE_WORD(ordinal, NODE_PARENT) = H(H_LIMBO_NEW);
  H(H_LIMBO_NEW) = ordinal;
  sweep(&s, reader);
  return (i32)ordinal;
}

#endif
