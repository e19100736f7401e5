/*
 * When a slot may be used again. A removed node is in limbo: still walked by readers, linked by nobody new, and the
 * sweep (remove.h) takes the last links to it away. Then a reader may still hold its ordinal from before; so the slot
 * waits until every reader that was searching at that moment has finished (epoch-based reclamation, Fraser 2004).
 * Lists of free, pending and limbo slots are threaded through NODE_PARENT.
 */
#ifndef NP_EPOCHS_H
#define NP_EPOCHS_H

#include "heap.h"

INLINE u32 *reader_epoch(u32 reader) { return AT(u32, NP_READER_EPOCHS + reader * NP_READER_EPOCH_STRIDE); }

static void enter_epoch(u32 reader) {
  u32 epoch;
  do {
    epoch = __atomic_load_n(&H(H_EPOCH), __ATOMIC_SEQ_CST);
    __atomic_store_n(reader_epoch(reader), epoch, __ATOMIC_SEQ_CST);
  } while (__atomic_load_n(&H(H_EPOCH), __ATOMIC_SEQ_CST) != epoch);
}

static void leave_epoch(u32 reader) { __atomic_store_n(reader_epoch(reader), 0, __ATOMIC_SEQ_CST); }

/* Frees what a slot holds on the heap, the last record first, and puts it on the free list. `mark`: see heap_free. */
static void give_back(u32 ordinal, u32 mark) {
  u32 record = NODE_WORD(ordinal, NODE_RECORD), upper = upper_bytes(NODE_BYTE(ordinal, NODE_LEVEL));
  if (record) heap_free(record, upper + 1 + *AT(u8, heap_address(record) + upper), mark);
  for (u32 l = H(H_LISTS); l-- > 0;) {
    u32 *cell = AT(u32, cell_of(ordinal, H(H_LISTS_OFFSET) + 4 * l));
    if (*cell) heap_free(*cell, (*AT(u32, heap_address(*cell)) + 1) * 4, mark);
    *cell = 0;
  }
  words_clear(links_of(ordinal), H(H_M0));
  words_clear(AT(u32, node_of(ordinal)), NP_NODE_BYTES / 4);
  if (ordinal >= H(H_COUNT)) return; /* it was never handed out: the next new ordinal is the same */
  NODE_WORD(ordinal, NODE_PARENT) = H(H_FREE);
  H(H_FREE) = ordinal;
}

/* Takes the first slot off the list that starts in header word `list`. In a damaged shard it stops, rather than write
 * where no slot of that status is. */
static u32 take_slot(u32 list, u8 status) {
  u32 ordinal = H(list);
  if (ordinal >= H(H_COUNT) || NODE_BYTE(ordinal, NODE_STATUS) != status) __builtin_trap();
  H(list) = NODE_WORD(ordinal, NODE_PARENT);
  return ordinal;
}

/* Nobody links to the slots of LIMBO_SWEPT any more: they are free once today's readers are gone. */
static void make_pending(void) {
  for (u32 left = H(H_COUNT); H(H_LIMBO_SWEPT) != NP_NONE; left--) {
    if (left == 0) __builtin_trap();
    u32 ordinal = take_slot(H_LIMBO_SWEPT, NODE_LIMBO);
    NODE_WORD(ordinal, NODE_PARENT) = H(H_PENDING);
    H(H_PENDING) = ordinal;
  }
  H(H_PENDING_EPOCH) = __atomic_add_fetch(&H(H_EPOCH), 1, __ATOMIC_SEQ_CST);
}

static void release_pending(void) {
  if (H(H_PENDING) == NP_NONE) return;
  for (u32 reader = 0; reader < H(H_READERS); reader++) {
    u32 epoch = __atomic_load_n(reader_epoch(reader), __ATOMIC_SEQ_CST);
    if (epoch != 0 && epoch < H(H_PENDING_EPOCH)) return;
  }
  while (H(H_PENDING) != NP_NONE) give_back(take_slot(H_PENDING, NODE_LIMBO), NP_NONE);
}

#endif
