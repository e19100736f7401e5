/*
 * Masks that are kept: the filters that were evaluated last, each with its program and its bitmap, for all threads. They
 * lie in the memory of the process and in no file.
 *
 * The writer keeps them right, and the sketches, too. It notes each ordinal that it changes in a ring, counts it in
 * H_CHANGES, and then sets that one bit in every mask there is. A reader evaluates a filter into its own scratch, copies the result into a slot,
 * sets the bits of what the ring says has changed meanwhile, and offers the slot only if nothing more has: either it
 * sees the count, or the writer sees the slot, because each writes its own word before it reads the other's.
 *
 * Nobody waits. Who uses a slot says so in a word of its own (hazard pointers: Michael, IEEE TPDS 2004); who wants a slot
 * for something else takes it over first, and gives it up when somebody turns out to use it. A reader that finds no
 * slot goes on with its scratch. A slot that a thread died on is taken over by the next one with that thread's number.
 */
#ifndef NP_MASKS_H
#define NP_MASKS_H

#include "epochs.h"
#include "mask.h"

/* A slot: 16 words, the program, the bitmap. */
#define MASK_STATE 0
#define MASK_HASH 1
#define MASK_WORDS 2
#define MASK_MATCHING 3
#define MASK_USED 4
#define MASK_HEAD_BYTES 64

INLINE u32 mask_slot(u32 slot) { return H(H_MASKS) + NP_CHANGES_NOTED * 4 + slot * H(H_MASK_STRIDE); }
INLINE u32 *mask_head(u32 slot, u32 word) { return AT(u32, mask_slot(slot)) + word; }
INLINE u32 *mask_program(u32 slot) { return AT(u32, mask_slot(slot) + MASK_HEAD_BYTES); }
INLINE u32 *mask_bits(u32 slot) { return AT(u32, mask_slot(slot) + MASK_HEAD_BYTES + NP_MASK_PROGRAM_BYTES); }

/* The slot that a reader uses, plus 1; 0 for none. It stands beside the reader's epoch. */
INLINE u32 *pinned_by(u32 reader) { return reader_epoch(reader) + 1; }

static u32 is_pinned(u32 slot) {
  for (u32 reader = 0; reader < H(H_READERS); reader++)
    if (see(pinned_by(reader)) == slot + 1) return 1;
  return 0;
}

static u32 hash_words(const u32 *words, u32 n) { /* FNV-1a by words */
  u32 hash = 2166136261u;
  for (u32 i = 0; i < n; i++) hash = (hash ^ words[i]) * 16777619u;
  return hash ^ hash >> 15;
}

/* Sets the bit of an ordinal as it is now. */
static void refresh_bit(u32 slot, u32 ordinal) {
  u32 *word = mask_bits(slot) + ordinal / 32, bit = 1u << ordinal % 32;
  if (is_live(ordinal) && filter_accepts(mask_program(slot), ordinal)) {
    if (!(__atomic_fetch_or(word, bit, __ATOMIC_RELAXED) & bit))
      __atomic_fetch_add(mask_head(slot, MASK_MATCHING), 1, __ATOMIC_RELAXED);
  } else if (__atomic_fetch_and(word, ~bit, __ATOMIC_RELAXED) & bit) {
    __atomic_fetch_sub(mask_head(slot, MASK_MATCHING), 1, __ATOMIC_RELAXED);
  }
}

/* The writer has changed what an ordinal holds or whether it is live, or is about to let it live: before anybody is told,
 * every sketch and mask follows. */
static void note_change(u32 ordinal) {
  u32 changes = H(H_CHANGES);
  publish(AT(u32, H(H_MASKS)) + changes % NP_CHANGES_NOTED, ordinal);
  say(&H(H_CHANGES), changes + 1);
  for (u32 slot = 0; slot < NP_SKETCHES; slot++)
    if ((see(sketch_head(slot, SKETCH_STATE)) & 3) >= SLOT_FILLED) sketch_row(slot, ordinal);
  for (u32 slot = 0; slot < NP_MASKS; slot++) {
    if ((see(mask_head(slot, MASK_STATE)) & 3) < SLOT_FILLED) continue;
    say(pinned_by(0), slot + 1);
    if ((see(mask_head(slot, MASK_STATE)) & 3) >= SLOT_FILLED) refresh_bit(slot, ordinal);
    say(pinned_by(0), 0);
  }
}

/* The slot that holds the mask of a program, which the reader then uses until it unpins it; NP_NONE when there is none. */
static u32 find_mask(u32 reader, const u32 *program, u32 words) {
  u32 hash = hash_words(program, words);
  for (u32 slot = 0; slot < NP_MASKS; slot++) {
    if (load(mask_head(slot, MASK_HASH)) != hash || (see(mask_head(slot, MASK_STATE)) & 3) != SLOT_VALID) continue;
    say(pinned_by(reader), slot + 1);
    u32 same = see(mask_head(slot, MASK_STATE)) == SLOT_VALID && load(mask_head(slot, MASK_WORDS)) == words;
    for (u32 i = 0; i < words && same; i++) same = mask_program(slot)[i] == program[i];
    if (same) {
      if (!load(mask_head(slot, MASK_USED))) publish(mask_head(slot, MASK_USED), 1);
      return slot;
    }
    say(pinned_by(reader), 0);
  }
  return NP_NONE;
}

/* Takes a slot over for filling: one that nobody has used since the hand came by last (the clock algorithm). */
static u32 claim_slot(u32 reader) {
  for (u32 turn = 0; turn < 2 * NP_MASKS; turn++) {
    u32 slot = __atomic_fetch_add(&H(H_MASK_HAND), 1, __ATOMIC_RELAXED) % NP_MASKS;
    u32 *state = mask_head(slot, MASK_STATE), before = see(state), mine = reader << 2 | SLOT_FILLING;
    u32 unfinished = (before & 3) == SLOT_FILLING || (before & 3) == SLOT_FILLED;
    if (unfinished && before >> 2 != reader) continue;
    if (load(mask_head(slot, MASK_USED)) && before == SLOT_VALID) {
      publish(mask_head(slot, MASK_USED), 0);
      continue;
    }
    if (is_pinned(slot)) continue;
    if (!__atomic_compare_exchange_n(state, &before, mine, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) continue;
    if (!is_pinned(slot)) return slot;
    say(state, SLOT_FREE);
  }
  return NP_NONE;
}

/* Offers what a reader has filled a slot with, from when H_CHANGES was `changes`, to everybody: first what has changed
 * meanwhile is set anew. When too much has, or does so again and again, the slot is free again. */
static void offer(u32 *state, u32 reader, u32 changes, void (*refresh)(u32 slot, u32 ordinal), u32 slot) {
  /* the writer may not have been done with the last change that it had counted */
  changes -= changes > 0;
  for (u32 attempt = 0; attempt < 8; attempt++) {
    u32 first = changes, until = see(&H(H_CHANGES));
    if (until - first >= NP_CHANGES_NOTED) break;
    for (; changes != until; changes++) refresh(slot, load(AT(u32, H(H_MASKS)) + changes % NP_CHANGES_NOTED));
    /* what was read may have been noted anew meanwhile */
    if (see(&H(H_CHANGES)) - first >= NP_CHANGES_NOTED) break;
    say(state, reader << 2 | SLOT_FILLED);
    if (see(&H(H_CHANGES)) == changes) {
      say(state, SLOT_VALID);
      return;
    }
    say(state, reader << 2 | SLOT_FILLING);
  }
  say(state, SLOT_FREE);
}

/* Keeps the mask that a reader has evaluated, from when H_CHANGES was `changes`, on the ordinals below `count`. */
static void keep_mask(u32 reader, const u32 *program, u32 words, const u32 *bits, u32 count, u32 matching, u32 changes) {
  u32 slot = words * 4 <= NP_MASK_PROGRAM_BYTES ? claim_slot(reader) : NP_NONE;
  if (slot == NP_NONE) return;
  for (u32 i = 0; i < words; i++) mask_program(slot)[i] = program[i];
  for (u32 i = 0; i < (count + 31) / 32; i++) mask_bits(slot)[i] = bits[i];
  publish(mask_head(slot, MASK_HASH), hash_words(program, words));
  publish(mask_head(slot, MASK_WORDS), words);
  publish(mask_head(slot, MASK_MATCHING), matching);
  publish(mask_head(slot, MASK_USED), 0);
  offer(mask_head(slot, MASK_STATE), reader, changes, refresh_bit, slot);
}

/* Takes over, for filling, a sketch that was asked for more than once; NP_NONE when there is none. */
static u32 claim_sketch(u32 reader, u32 count) {
  for (u32 slot = 0; slot < NP_SKETCHES; slot++) {
    u32 *state = sketch_head(slot, SKETCH_STATE), before = see(state), mine = reader << 2 | SLOT_FILLING;
    u32 given_up = before == mine || before == (reader << 2 | SLOT_FILLED);
    if (load(sketch_head(slot, SKETCH_ASKED)) < 2 || (before != SLOT_FREE && !given_up)) continue;
    if (!__atomic_compare_exchange_n(state, &before, mine, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) continue;
    if (!load(sketch_head(slot, SKETCH_CHOSEN))) choose_bounds(slot, count);
    return slot;
  }
  return NP_NONE;
}

/* Fills a sketch from *cursor on, until the budget of distances is used up: a row costs about what a distance does. */
static void sketch_fill(u32 slot, u32 *cursor, u32 count, i32 *budget) {
  for (; *cursor < count && *budget > 0; ++*cursor, --*budget) sketch_row(slot, *cursor);
}

#endif
