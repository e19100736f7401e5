/*
 * Changing the attribute row of a live node: its links, its vector and its id stay as they are.
 *
 * Readers evaluate filters on the row meanwhile, so each cell changes at once, and a keyword list that is replaced by
 * one of another size is given back only when every reader that may be walking it has left its epoch. Until then it is
 * retired: noted in the writer's own scratch, where a search would put its hits and the writer has none.
 */
#ifndef NP_ROW_H
#define NP_ROW_H

#include "remove.h"

#define CELL(type, ordinal, offset) AT(type, cell_of(ordinal, offset))
#define RETIRED_MAX (NP_K_MAX - 1)

typedef struct {
  u32 reference, bytes, epoch, unused;
} Retired;

/* The first entry holds, as its reference, how many follow. */
INLINE Retired *retired_list(u32 reader) { return SCRATCH(Retired, reader, H_S_HITS); }

/* The epoch of the reader that has searched the longest; NP_NONE when none searches. */
static u32 oldest_epoch(void) {
  u32 oldest = NP_NONE;
  for (u32 reader = 0; reader < H(H_READERS); reader++) {
    u32 epoch = __atomic_load_n(reader_epoch(reader), __ATOMIC_SEQ_CST);
    if (epoch != 0) oldest = min_u32(oldest, epoch);
  }
  return oldest;
}

static void release_retired(u32 reader) {
  Retired *list = retired_list(reader);
  u32 n = list[0].reference, kept = 0, oldest = oldest_epoch();
  for (u32 i = 1; i <= n; i++) {
    if (list[i].epoch <= oldest) heap_free(list[i].reference, list[i].bytes, NP_NONE);
    else list[++kept] = list[i];
  }
  list[0].reference = kept;
}

/* Notes a record that no cell leads to any more. Readers that enter from now on have a later epoch. */
static void retire(u32 reader, u32 reference, u32 bytes) {
  Retired *list = retired_list(reader);
  while (list[0].reference >= RETIRED_MAX) release_retired(reader);
  u32 epoch = __atomic_add_fetch(&H(H_EPOCH), 1, __ATOMIC_SEQ_CST);
  list[++list[0].reference] = (Retired){reference, bytes, epoch, 0};
}

/* Puts the row of the input in the place of an ordinal's. NP_FULL changes nothing. */
static i32 set_row(u32 reader, u32 ordinal) {
  release_retired(reader);
  if (ordinal >= H(H_COUNT) || !is_live(ordinal)) return NP_UNKNOWN;
  const u32 *row = SCRATCH(u32, reader, H_S_INPUT);
  u32 words = H(H_ROW_STRIDE) / 4, first = H(H_LISTS_OFFSET), end = first + 4 * H(H_LISTS);
  /* the new lists first, noted at the end of the input: nothing is changed before all are there */
  u32 *made = SCRATCH(u32, reader, H_S_INPUT) + NP_INPUT_BYTES / 4 - H(H_LISTS);
  const u32 *list = row + words;
  for (u32 l = 0; l < H(H_LISTS); list += *list + 1, l++) {
    made[l] = *list > 0 ? heap_allocate((*list + 1) * 4) : 0;
    if (*list > 0 && !made[l]) {
      while (l-- > 0)
        if (made[l]) heap_free(made[l], (*AT(u32, heap_address(made[l])) + 1) * 4, NP_NONE);
      return NP_FULL;
    }
    u32 *record = AT(u32, heap_address(made[l]));
    for (u32 i = 0; made[l] && i <= *list; i++) record[i] = list[i];
  }
  /* a number is 8 bytes and changes as a whole; where lists begin or end within 8 bytes, halves change one by one */
  for (u32 at = 0; at < words * 4; at += 8) {
    if (at + 8 <= first || at >= end) {
      __atomic_store_n(CELL(u64, ordinal, at), (u64)row[at / 4 + 1] << 32 | row[at / 4], __ATOMIC_RELEASE);
      continue;
    }
    for (u32 half = at; half < at + 8; half += 4)
      if (half < first || half >= end) publish(CELL(u32, ordinal, half), row[half / 4]);
  }
  for (u32 l = 0; l < H(H_LISTS); l++) {
    u32 *cell = CELL(u32, ordinal, first + 4 * l), old = *cell;
    publish(cell, made[l]);
    if (old) retire(reader, old, (*AT(u32, heap_address(old)) + 1) * 4);
  }
  note_change(ordinal);
  return (i32)ordinal;
}

#endif
