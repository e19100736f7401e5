/*
 * Link lists and the spanning tree that keeps every live node reachable.
 *
 * Pruning and deleting may cut a node of a directed graph off. So level 0 also holds a tree over all live nodes: each
 * node but the root has a parent, and the links parent -> child and child -> parent stand in the lists and are never
 * pruned. A node has at most M0 / 2 children, so at least M0 / 2 - 1 places of a list are free for neighbours.
 * Whatever else pruning does, the graph stays strongly connected.
 *
 * A list is written so that a reader may walk it at any moment: each word is a whole link or 0.
 */
#ifndef NP_LINKS_H
#define NP_LINKS_H

#include "select.h"

INLINE u32 children_max(void) { return H(H_M0) / 2; }
#define TREE_WALK_MAX 512

/* Makes `list` hold exactly the n ordinals. */
static void write_list(u32 *list, u32 room, const u32 *ordinals, u32 n) {
  for (u32 i = 0; i < n; i++) publish(list + i, ordinals[i] + 1);
  for (u32 i = n; i < room; i++) publish(list + i, 0);
}

INLINE u32 list_size(const u32 *list, u32 room) {
  u32 n = 0;
  while (n < room && list[n]) n++;
  return n;
}

INLINE u32 list_has(const u32 *list, u32 n, u32 ordinal) {
  for (u32 i = 0; i < n; i++)
    if (list[i] == ordinal + 1) return 1;
  return 0;
}

/* Sorts n ordinals by their distance to `owner` into keys. */
static void keys_from(const Shape *s, u32 reader, u32 owner, const u32 *ordinals, u32 n, u64 *keys) {
  i16 *values = NODE_VALUES(reader);
  f32 distances[4 * NP_M_MAX + 2];
  Query q = query_from_node(s, owner, values);
  distances_to(s, &q, ordinals, n, distances);
  u32 size = 0;
  for (u32 i = 0; i < n; i++) queue_insert(keys, &size, n, key_of(distances[i], ordinals[i]));
}

/* How many links of its own a new node gets, and how many a full list keeps when it is chosen anew. More than M on level
 * 0, since a search of fewer steps over longer lists waits less often for memory; and some room is left, since choosing
 * costs what a hundred distances cost and a list that stays full would be chosen anew with each link. */
INLINE u32 list_first(u32 level) { return level == 0 ? H(H_M0) * 3 / 4 : H(H_M); }
INLINE u32 list_kept(u32 level) { return level == 0 ? H(H_M0) - H(H_M0) / 5 : H(H_M); }

/* Adds owner -> target on `level`; a full list is chosen anew. */
static void add_link(const Shape *s, u32 reader, u32 owner, u32 target, u32 level) {
  u32 room = list_max(level), *list = list_of(owner, level), n = list_size(list, room);
  if (list_has(list, n, target)) return;
  if (n < room) {
    publish(list + n, target + 1);
    return;
  }
  u32 ordinals[2 * NP_M_MAX + 1], chosen[2 * NP_M_MAX + 1];
  u64 keys[2 * NP_M_MAX + 1];
  u32 live = 0;
  for (u32 i = 0; i < n; i++)
    if (is_live(list[i] - 1)) ordinals[live++] = list[i] - 1;
  ordinals[live++] = target;
  keys_from(s, reader, owner, ordinals, live, keys);
  u32 keeper = level == 0 ? owner : NP_NONE;
  write_list(list, room, chosen, select_neighbours(s, reader, keeper, keys, live, list_kept(level), chosen));
}

/* Makes `parent` the parent of `child` in the tree, with both links. The parent must have room for a child. */
static void attach(const Shape *s, u32 reader, u32 child, u32 parent) {
  NODE_WORD(child, NODE_PARENT) = parent;
  NODE_BYTE(parent, NODE_CHILDREN)++;
  add_link(s, reader, child, parent, 0);
  add_link(s, reader, parent, child, 0);
}

/* `start`, or a node below it in the tree that has room for a child. Which child to go down by turns with the number
 * of pins, so that a crowd of equal vectors makes a broad tree and not a long one. */
static u32 with_room(u32 start) {
  u32 turn = H(H_LIVE), steps = 0;
  for (; NODE_BYTE(start, NODE_CHILDREN) >= children_max(); turn /= children_max()) {
    const u32 *list = links_of(start);
    u32 child = NP_NONE, nth = turn % children_max();
    for (u32 i = 0; i < H(H_M0) && list[i] && nth != NP_NONE; i++) {
      if (NODE_WORD(list[i] - 1, NODE_PARENT) != start || !is_live(list[i] - 1)) continue;
      child = list[i] - 1;
      nth--;
    }
    /* only in a damaged shard: better to stop than to turn in circles */
    if (child == NP_NONE || steps++ > H(H_COUNT)) __builtin_trap();
    start = child;
  }
  return start;
}

/* Whether `node` lies in the tree below `top`, or is it. A node deeper than anyone cares to walk up from counts as
 * below, which only means that another place is taken. */
static u32 is_below(u32 node, u32 top) {
  for (u32 steps = 0; node != NP_NONE && node != top; node = NODE_WORD(node, NODE_PARENT))
    if (++steps > TREE_WALK_MAX) return 1;
  return node == top;
}

#endif
