/*
 * Records of varying length beside the ordinals: pin ids, keyword lists, links of the upper levels. Each block brings
 * H_HEAP_BYTES of heap. Records are handed out in order and, once freed, reused by size (classes of 8 bytes), so
 * memory stays flat under churn. A reference counts bytes from the first block; 0 is none.
 */
#ifndef NP_HEAP_H
#define NP_HEAP_H

#include "memory.h"

#define HEAP_GRAIN 8
#define HEAP_RECORD_MAX ((NP_HEAP_CLASSES - 1) * HEAP_GRAIN)

INLINE u32 heap_address(u32 reference) { return H(H_BLOCKS_BASE) + reference; }

/* Appends one block of fresh, zero memory; 0 when the limit is reached or the engine refuses to grow. */
static u32 block_append(void) {
  u32 blocks = H(H_BLOCKS);
  if (blocks >= H(H_BLOCKS_MAX)) return 0;
  u64 end = (u64)H(H_BLOCKS_BASE) + (u64)(blocks + 1) * H(H_BLOCK_BYTES);
  u32 pages = (u32)((end + NP_PAGE - 1) / NP_PAGE), have = memory_pages();
  if (pages > have) {
    /* an eighth more than needed, so that growing is rare; only what is needed when that is refused */
    u32 ahead = min_u32(pages + have / 8, H(H_LIMIT_PAGES));
    if (memory_grow(ahead - have) == NP_NONE && memory_grow(pages - have) == NP_NONE) return 0;
  }
  H(H_BLOCKS) = blocks + 1;
  return 1;
}

/* Where the next record goes that is not a freed one: what lies from here on is zero. */
INLINE u32 heap_mark(void) { return H(H_HEAP_BLOCK) * H(H_BLOCK_BYTES) + H(H_OFF_HEAP) + H(H_HEAP_USED); }

/* A zeroed record of `bytes`; 0 when the shard is full, or could not hold such a record even when empty. */
static u32 heap_allocate(u32 bytes) {
  u32 class = (bytes + HEAP_GRAIN - 1) / HEAP_GRAIN;
  if (bytes > HEAP_RECORD_MAX || class * HEAP_GRAIN > H(H_HEAP_BYTES)) return 0;
  u32 head = H(H_HEAP_FREE + class);
  if (head) {
    u32 *record = AT(u32, heap_address(head));
    H(H_HEAP_FREE + class) = record[0];
    words_clear(record, class * HEAP_GRAIN / 4);
    return head;
  }
  u32 size = class * HEAP_GRAIN;
  u32 block = H(H_HEAP_BLOCK), used = H(H_HEAP_USED);
  if (used + size > H(H_HEAP_BYTES)) {
    block++;
    used = 0;
  }
  if (block >= H(H_BLOCKS) && !block_append()) return 0;
  H(H_HEAP_BLOCK) = block;
  H(H_HEAP_USED) = used + size;
  return heap_mark() - size;
}

/* Gives a record back; one from `mark` on becomes zero memory again, for which the caller moves the heap's end back. */
static void heap_free(u32 reference, u32 bytes, u32 mark) {
  if (!reference) return;
  u32 class = (bytes + HEAP_GRAIN - 1) / HEAP_GRAIN;
  if (reference >= mark) {
    words_clear(AT(u32, heap_address(reference)), class * HEAP_GRAIN / 4);
    return;
  }
  *AT(u32, heap_address(reference)) = H(H_HEAP_FREE + class);
  H(H_HEAP_FREE + class) = reference;
}

#endif
