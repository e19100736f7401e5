/*
 * Sketches of number columns: 16 bits a row, which say between which two of the column's quantiles its number lies and how
 * far along, or which of them it is. Whether a number is within a range follows from its code, unless it has that of a bound:
 * only such numbers are read. So a filter that was never seen passes over a quarter of the column, and compares eight rows
 * at once; the idea is the vector approximation's (VA-file: Weber, Schek and Blott, VLDB 1998), for one dimension.
 *
 * Sketches lie in the memory of the process and in no file. The columns that are asked for first have one, from when they
 * are asked for a third time, and for good; who fills it, and how it follows what the writer does, masks.h tells.
 */
#ifndef NP_SKETCH_H
#define NP_SKETCH_H

#include "simd.h"

/* A slot: 16 words, the quantiles, the codes. */
#define SKETCH_STATE 0
#define SKETCH_COLUMN 1 /* its offset in the row, plus 1; 0 for none yet */
#define SKETCH_ASKED 2
#define SKETCH_CHOSEN 3 /* whether the quantiles are, which then stay */
#define SKETCH_HEAD_BYTES 64
/* Minus infinity, quantiles in ascending order, and plus infinity in what is left. */
#define SKETCH_BOUNDS 127
#define SKETCH_BOUNDS_BYTES 1024
/* Rows that the quantiles are taken from. */
#define SKETCH_SAMPLE 512
/* Codes: 256 i + 0, 2 to 252 between bounds i - 1 and i, 256 i + CODE_IS at bound i, so all of them are even; and of what
 * is missing. */
#define CODE_STEP 2
#define CODE_STEPS 127
#define CODE_IS 254
#define CODE_MISSING 32767

/* The states of what is kept for all threads (masks.h): two bits, above them the reader that is filling it. Free:
 * anybody's. Filling: its reader's alone. Filled: the writer keeps it right. Valid: readers may use it, too. */
enum { SLOT_FREE, SLOT_FILLING, SLOT_FILLED, SLOT_VALID };

/* In one order for all threads: the protocol rests on it. */
INLINE u32 see(const u32 *word) { return __atomic_load_n(word, __ATOMIC_SEQ_CST); }
INLINE void say(u32 *word, u32 value) { __atomic_store_n(word, value, __ATOMIC_SEQ_CST); }

INLINE u32 sketch_slot(u32 slot) { return H(H_SKETCHES) + slot * H(H_SKETCH_STRIDE); }
INLINE u32 *sketch_head(u32 slot, u32 word) { return AT(u32, sketch_slot(slot)) + word; }
INLINE f64 *sketch_bounds(u32 slot) { return AT(f64, sketch_slot(slot) + SKETCH_HEAD_BYTES); }
INLINE i16 *sketch_codes(u32 slot) { return AT(i16, sketch_slot(slot) + SKETCH_HEAD_BYTES + SKETCH_BOUNDS_BYTES); }
INLINE u32 sketch_bytes(u32 ordinals) { return SKETCH_HEAD_BYTES + SKETCH_BOUNDS_BYTES + 2 * ordinals; }

/* Grows with x, as every step of its arithmetic does. */
INLINE i32 sketch_code(const f64 *bounds, f64 x) {
  u32 i = 0;
  if (x != x) return CODE_MISSING;
  for (u32 step = (SKETCH_BOUNDS + 1) / 2; step > 0; step /= 2) i += bounds[i + step - 1] < x ? step : 0;
  if (bounds[i] == x) return (i32)(256 * i + CODE_IS);
  /* not a number beside an infinity, where all have the same code */
  f64 along = (x - bounds[i - 1]) / (bounds[i] - bounds[i - 1]) * CODE_STEPS;
  u32 steps = along < CODE_STEPS - 1 ? (u32)along : along == along ? CODE_STEPS - 1 : 0;
  return (i32)(256 * i + CODE_STEP * steps);
}

/* The slot of a column's sketch, NP_NONE when there is none to be used. */
INLINE u32 find_sketch(u32 offset) {
  for (u32 slot = 0; slot < NP_SKETCHES; slot++)
    if (load(sketch_head(slot, SKETCH_COLUMN)) == offset + 1)
      return see(sketch_head(slot, SKETCH_STATE)) == SLOT_VALID ? slot : NP_NONE;
  return NP_NONE;
}

/* Notes that a column was passed over. */
static void ask_for_sketch(u32 offset) {
  for (u32 slot = 0; slot < NP_SKETCHES; slot++) {
    u32 *column = sketch_head(slot, SKETCH_COLUMN), none = 0;
    __atomic_compare_exchange_n(column, &none, offset + 1, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    if (load(column) != offset + 1) continue;
    __atomic_fetch_add(sketch_head(slot, SKETCH_ASKED), 1, __ATOMIC_RELAXED);
    return;
  }
}

/* Sets the code of an ordinal as its row is now. */
INLINE void sketch_row(u32 slot, u32 ordinal) {
  f64 x = *AT(f64, cell_of(ordinal, load(sketch_head(slot, SKETCH_COLUMN)) - 1));
  __atomic_store_n(sketch_codes(slot) + ordinal, (i16)sketch_code(sketch_bounds(slot), x), __ATOMIC_RELAXED);
}

/* Chooses the quantiles, from rows evenly spread over `count` ordinals. */
static void choose_bounds(u32 slot, u32 count) {
  f64 sample[SKETCH_SAMPLE], *bounds = sketch_bounds(slot);
  u32 n = 0, chosen = 1, offset = load(sketch_head(slot, SKETCH_COLUMN)) - 1;
  for (u32 i = 1; i <= SKETCH_SAMPLE; i++) {
    f64 x = *AT(f64, cell_of((u32)((u64)(i * 2654435769u) * count >> 32), offset));
    if (x != x) continue;
    u32 at = n++;
    for (; at > 0 && sample[at - 1] > x; at--) sample[at] = sample[at - 1];
    sample[at] = x;
  }
  bounds[0] = -__builtin_inf();
  for (u32 i = 0, last = SKETCH_BOUNDS - 3; i <= last && n > 0; i++) {
    f64 x = sample[i * (n - 1) / last];
    if (bounds[chosen - 1] < x) bounds[chosen++] = x;
  }
  while (chosen < SKETCH_BOUNDS) bounds[chosen++] = __builtin_inf();
  publish(sketch_head(slot, SKETCH_CHOSEN), 1);
}

/* The codes that numbers from `least` to `most` have, by how far they are from the one in the middle: surely those nearer than
 * the first and the last one, perhaps these two. */
typedef struct {
  vec middle, reach;
} CodeRange;

static CodeRange code_range(const f64 *bounds, f64 least, f64 most) {
  i32 low = CODE_STEP, high = 0; /* none */
  if (least <= most) {
    low = sketch_code(bounds, least);
    high = sketch_code(bounds, most);
    /* a number that is a bound is told by its code, so one that has it is within for sure */
    if (low % 256 == CODE_IS) low -= CODE_STEP;
    if (high % 256 == CODE_IS) high += CODE_STEP;
  }
  CodeRange r = {i16x8_splat((low + high) / 2), i16x8_splat((high - low) / 2)};
  return r;
}

/* Bit i: whether code i of 32 is surely within; *perhaps: whether only its number can tell. */
INLINE u32 codes_within(const i16 *codes, const CodeRange *r, u32 *perhaps) {
  vec away[4];
  for (u32 i = 0; i < 4; i++) away[i] = i16x8_abs(i16x8_sub(vec_load(codes + 8 * i), r->middle));
#define EACH_OF(compare, i) i8x16_narrow_i16x8(compare(away[i], r->reach), compare(away[(i) + 1], r->reach))
#define BITS(compare) (i8x16_bitmask(EACH_OF(compare, 0)) | i8x16_bitmask(EACH_OF(compare, 2)) << 16)
  vec at_ends = vec_or(vec_or(i16x8_eq(away[0], r->reach), i16x8_eq(away[1], r->reach)),
                       vec_or(i16x8_eq(away[2], r->reach), i16x8_eq(away[3], r->reach)));
  *perhaps = vec_any(at_ends) ? BITS(i16x8_eq) : 0;
  return BITS(i16x8_below);
#undef BITS
#undef EACH_OF
}

#endif
