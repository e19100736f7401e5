/*
 * Checks every invariant of a shard, trusting none of it: whatever the blocks hold, this reads inside the memory and
 * ends. Reachability is proved by the spanning tree: its links stand in the lists in both directions, every live node
 * leads up to the one root, so each live node is reachable from each other and so from the entry point.
 */
#ifndef NP_VALIDATE_H
#define NP_VALIDATE_H

#include "links.h"

/* Whether [reference, reference + bytes) lies in the heap of one block. */
static u32 in_heap(u32 reference, u32 bytes) {
  u32 block_bytes = H(H_BLOCK_BYTES), at = reference % block_bytes;
  return reference / block_bytes < H(H_BLOCKS) && at >= H(H_OFF_HEAP) && at % HEAP_GRAIN == H(H_OFF_HEAP) % HEAP_GRAIN &&
         bytes <= block_bytes - at;
}

/* The lists of freed records, each of which must end within as many as the heaps could hold. */
static u32 validate_heap(void) {
  u32 left = H(H_BLOCKS) * (H(H_HEAP_BYTES) / HEAP_GRAIN + 1);
  if (H(H_HEAP_USED) > H(H_HEAP_BYTES) || H(H_HEAP_BLOCK) > H(H_BLOCKS)) return NP_BAD_REFERENCE;
  for (u32 class = 0; class < NP_HEAP_CLASSES; class++)
    for (u32 at = H(H_HEAP_FREE + class); at; at = *AT(u32, heap_address(at)))
      if (!in_heap(at, class * HEAP_GRAIN) || left-- == 0) return NP_BAD_REFERENCE;
  return NP_VALID;
}

/* One list of slots out of use: each in that status and in no other list. Marks them and counts them in `n`. */
static u32 validate_slots(u32 head, u32 status, u32 *listed, u32 *n, u32 *at) {
  for (; head != NP_NONE; head = NODE_WORD(head, NODE_PARENT)) {
    *at = head;
    if (head >= H(H_COUNT) || NODE_BYTE(head, NODE_STATUS) != status || bit_get(listed, head)) return NP_BAD_COUNT;
    bit_set(listed, head);
    ++*n;
  }
  return NP_VALID;
}

static u32 validate_references(u32 ordinal) {
  u32 level = NODE_BYTE(ordinal, NODE_LEVEL), record = NODE_WORD(ordinal, NODE_RECORD), id = upper_bytes(level);
  if (level > NP_LEVEL_MAX) return NP_BAD_LEVEL;
  if (!in_heap(record, id + 1) || !in_heap(record, id + 1 + *AT(u8, heap_address(record) + id))) return NP_BAD_REFERENCE;
  for (u32 l = 0; l < H(H_LISTS); l++) {
    u32 cell = *AT(u32, cell_of(ordinal, H(H_LISTS_OFFSET) + 4 * l));
    if (!cell) continue;
    if (!in_heap(cell, 4)) return NP_BAD_REFERENCE;
    u32 n = *AT(u32, heap_address(cell));
    if (n >= HEAP_RECORD_MAX / 4 || !in_heap(cell, 4 + n * 4)) return NP_BAD_REFERENCE;
  }
  return NP_VALID;
}

/* `pending`: the slots that are used again when the readers of today are gone. */
static u32 validate_list(u32 ordinal, u32 level, const u32 *pending) {
  const u32 *list = list_of(ordinal, level);
  for (u32 i = 0; i < list_max(level) && list[i]; i++) {
    if (list[i] > H(H_COUNT)) return NP_BAD_LINK;
    u32 target = list[i] - 1;
    if (target == ordinal) return NP_SELF_LINK;
    if (NODE_BYTE(target, NODE_STATUS) == NODE_FREE || bit_get(pending, target)) return NP_DANGLING_LINK;
    if (NODE_BYTE(target, NODE_LEVEL) < level) return NP_BAD_LEVEL;
    for (u32 j = 0; j < i; j++)
      if (list[j] == list[i]) return NP_DUPLICATE_LINK;
  }
  return NP_VALID;
}

/* The tree around one live node: its parent's link and its own, and the number of its children. */
static u32 validate_tree(u32 ordinal, u32 *roots) {
  u32 parent = NODE_WORD(ordinal, NODE_PARENT), room = H(H_M0), children = 0;
  if (parent == NP_NONE) {
    ++*roots;
  } else {
    if (parent >= H(H_COUNT) || !is_live(parent)) return NP_UNREACHABLE;
    if (!list_has(links_of(ordinal), list_size(links_of(ordinal), room), parent)) return NP_UNREACHABLE;
    if (!list_has(links_of(parent), list_size(links_of(parent), room), ordinal)) return NP_UNREACHABLE;
  }
  const u32 *list = links_of(ordinal);
  for (u32 i = 0; i < room && list[i]; i++)
    children += is_live(list[i] - 1) && NODE_WORD(list[i] - 1, NODE_PARENT) == ordinal;
  return children == NODE_BYTE(ordinal, NODE_CHILDREN) && children <= children_max() ? NP_VALID : NP_UNREACHABLE;
}

/* Every live node leads up to the root: each path is walked until a node already known to, then marked. */
static u32 validate_paths(u32 reader, u32 *at) {
  u32 *rooted = SCRATCH(u32, reader, H_S_VISITED), count = H(H_COUNT);
  words_clear(rooted, (count + 31) / 32);
  for (u32 ordinal = 0; ordinal < count; ordinal++) {
    if (!is_live(ordinal)) continue;
    u32 steps = 0, node = ordinal;
    *at = ordinal;
    for (; node != NP_NONE && !bit_get(rooted, node); node = NODE_WORD(node, NODE_PARENT))
      if (steps++ > count) return NP_UNREACHABLE;
    for (node = ordinal; node != NP_NONE && !bit_get(rooted, node); node = NODE_WORD(node, NODE_PARENT))
      bit_set(rooted, node);
  }
  return NP_VALID;
}

/* The first finding, NP_VALID when there is none; `at` receives the ordinal it concerns. */
static u32 validate(u32 reader, u32 *at) {
  u32 count = H(H_COUNT), entry = H(H_ENTRY), live = 0, idle = 0, roots = 0, finding = NP_VALID;
  /* the bitmaps of a search serve here, and its log does not tell */
  S(reader, S_LOGGED) = NP_NONE;
  u32 *listed = SCRATCH(u32, reader, H_S_VISITED), *pending = SCRATCH(u32, reader, H_S_MATCHES);
  *at = NP_NONE;
  if (H(H_BLOCKS) > H(H_BLOCKS_MAX) || count > H(H_BLOCKS) << H(H_BLOCK_SHIFT)) return NP_BAD_COUNT;
  for (*at = 0; *at < count; ++*at) {
    if (NODE_BYTE(*at, NODE_STATUS) > NODE_LIMBO) return NP_BAD_COUNT;
    if (NODE_BYTE(*at, NODE_STATUS) == NODE_FREE) continue;
    live += is_live(*at);
    if ((finding = validate_references(*at))) return finding;
  }
  if ((finding = validate_heap())) return finding;
  words_clear(listed, (count + 31) / 32);
  words_clear(pending, (count + 31) / 32);
  if ((finding = validate_slots(H(H_PENDING), NODE_LIMBO, listed, &idle, at))) return finding;
  for (u32 w = 0; w < (count + 31) / 32; w++) pending[w] = listed[w];
  if ((finding = validate_slots(H(H_LIMBO_SWEPT), NODE_LIMBO, listed, &idle, at))) return finding;
  if ((finding = validate_slots(H(H_LIMBO_NEW), NODE_LIMBO, listed, &idle, at))) return finding;
  if ((finding = validate_slots(H(H_FREE), NODE_FREE, listed, &idle, at))) return finding;
  for (*at = 0; *at < count; ++*at) {
    if (NODE_BYTE(*at, NODE_STATUS) == NODE_FREE) continue;
    for (u32 level = 0; level <= NODE_BYTE(*at, NODE_LEVEL); level++)
      if ((finding = validate_list(*at, level, pending))) return finding;
  }
  for (*at = 0; *at < count; ++*at)
    if (is_live(*at) && (finding = validate_tree(*at, &roots))) return finding;
  if ((finding = validate_paths(reader, at))) return finding;
  *at = entry;
  if (live != H(H_LIVE) || live + idle != count) return NP_BAD_COUNT;
  if (live == 0) return entry == NP_NONE ? NP_VALID : NP_BAD_ENTRY;
  if (roots != 1) return NP_UNREACHABLE;
  if (entry >= count || !is_live(entry) || NODE_BYTE(entry, NODE_LEVEL) != H(H_MAX_LEVEL)) return NP_BAD_ENTRY;
  return NP_VALID;
}

#endif
