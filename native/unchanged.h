/*
 * Whether a vector that is written again is what a slot holds already. What is stored of a vector is coarser than the
 * vector, so it is encoded once more, the same way, and the bytes are compared: where they are the same, inserting it
 * anew would store just these.
 */
#ifndef NP_UNCHANGED_H
#define NP_UNCHANGED_H

#include "insert.h"

INLINE u32 same_bytes(u32 a, u32 b, u32 n) {
  for (u32 i = 0; i < n; i++)
    if (*AT(u8, a + i) != *AT(u8, b + i)) return 0;
  return 1;
}

/* Whether a live ordinal holds what the scratch's vector is stored as. What lies between the parts of a code is of no
 * meaning, and not compared. Uses the scratch where a search has its queue. */
static u32 holds_vector(u32 reader, u32 ordinal) {
  if (ordinal >= H(H_COUNT) || !is_live(ordinal)) return 0;
  u32 dim = H(H_DIM), code = scratch_of(reader) + H(H_S_QUEUE), fine = code + H(H_CODE_STRIDE);
  u32 held = code_of(ordinal), held_fine = fine_of(ordinal), tail = H(H_CODE_TAIL), upper = I10_UPPER_BYTES(dim);
  encode_vector(reader, code, fine);
  if (H(H_CODE) == NP_CODE_F32 && !same_bytes(code, held, dim * 4)) return 0;
  if (H(H_CODE) == NP_CODE_I8 && !same_bytes(code, held, H(H_CODE_DIM))) return 0;
  if (H(H_CODE) == NP_CODE_I8 && !same_bytes(code + tail, held + tail, CODE_TAIL_BYTES)) return 0;
  if (H(H_FINE) == NP_FINE_F32) return same_bytes(fine, held_fine, dim * 4);
  if (H(H_FINE) == NP_FINE_I4) return same_bytes(fine, held_fine, H(H_FINE_STRIDE));
  if (H(H_FINE) == NP_FINE_NONE) return 1;
  return same_bytes(fine, held_fine, dim) && same_bytes(fine + upper, held_fine + upper, I10_BYTES(dim) - upper);
}

#endif
