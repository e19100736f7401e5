/*
 * The core of a shard: what it exports. One instance per thread, all on the same memory; `reader` is the caller's
 * scratch slot, and slot 0 is the writer's. The host, src/core/shard.ts, writes arguments into the header and the
 * scratch and reads results from there; layout.h says where.
 */
#include "checksum.h"
#include "row.h"
#include "unchanged.h"
#include "validate.h"

/* Computes the derived words of the header from config, reader count and limit. */
void EXPORT(np_layout)(void) {
  u32 dim = H(H_DIM), slots = 1u << H(H_BLOCK_SHIFT);
  u32 f32_bytes = round_up(dim, 4) * 4, code_dim = H(H_LEAD) ? H(H_LEAD) : dim;
  H(H_CODE_DIM) = code_dim;
  if (H(H_CODE) == NP_CODE_F32) {
    H(H_PADDED) = round_up(dim, 4);
    H(H_CODE_TAIL) = 0;
    H(H_CODE_STRIDE) = f32_bytes;
  } else {
    /* the kernel passes over whole vectors of 16; where that reaches the tail, the query is zero */
    H(H_PADDED) = round_up(code_dim, 16);
    H(H_CODE_TAIL) = round_up(code_dim, 4);
    H(H_CODE_STRIDE) = round_up(max_u32(H(H_PADDED), H(H_CODE_TAIL) + CODE_TAIL_BYTES), 16);
  }
  H(H_FINE_STRIDE) = H(H_FINE) == NP_FINE_F32   ? f32_bytes
                     : H(H_FINE) == NP_FINE_I10 ? I10_BYTES(dim)
                     : H(H_FINE) == NP_FINE_I4  ? I4_BYTES(dim, dim - code_dim)
                                                : 0;
  H(H_OFF_LINKS) = round_up(slots * H(H_CODE_STRIDE), 64);
  H(H_OFF_NODES) = round_up(H(H_OFF_LINKS) + slots * H(H_M0) * 4, 64);
  H(H_OFF_ROWS) = round_up(H(H_OFF_NODES) + slots * NP_NODE_BYTES, 64);
  H(H_OFF_FINE) = round_up(H(H_OFF_ROWS) + slots * H(H_ROW_STRIDE), 64);
  H(H_OFF_HEAP) = round_up(H(H_OFF_FINE) + slots * H(H_FINE_STRIDE), 64);
  H(H_BLOCK_BYTES) = round_up(H(H_OFF_HEAP) + H(H_HEAP_BYTES), 64);

  /* the bitmaps are as long as the most ordinals that could fit; untouched pages cost nothing */
  u64 limit = (u64)H(H_LIMIT_PAGES) * NP_PAGE;
  u32 bitmap = round_up((u32)(limit / H(H_BLOCK_BYTES) * slots / 8) + 64, 64);
  u32 at = NP_SEARCH_STATE + NP_SEARCH_STATE_BYTES;
  H(H_S_VECTOR) = at;
  at += round_up(dim, 16) * 4;
  H(H_S_WORK) = at;
  at += WORK_BYTES(dim);
  H(H_S_QUEUE) = at = round_up(at, 64) + 64; /* queue_merge needs zeros before it, and before the hits */
  at += (NP_EF_MAX + 1) * 8;
  H(H_S_HITS) = at = round_up(at, 64) + 64;
  at += NP_K_MAX * 16;
  H(H_S_INPUT) = at;
  at += NP_INPUT_BYTES;
  H(H_S_LOG) = at;
  at += NP_LOG_MAX * 4;
  H(H_S_VISITED) = at;
  at += bitmap;
  H(H_S_MATCHES) = at;
  at += bitmap;
  H(H_SCRATCH_STRIDE) = round_up(at, 4096);
  u64 base = NP_SCRATCH_BASE + (u64)H(H_READERS) * H(H_SCRATCH_STRIDE);
  H(H_MASKS) = (u32)base;
  H(H_MASK_STRIDE) = MASK_HEAD_BYTES + NP_MASK_PROGRAM_BYTES + bitmap;
  base = round_up((u32)base + NP_CHANGES_NOTED * 4 + NP_MASKS * H(H_MASK_STRIDE), 4096);
  H(H_SKETCHES) = (u32)base;
  H(H_SKETCH_STRIDE) = sketch_bytes(bitmap * 8);
  base = round_up((u32)base + NP_SKETCHES * H(H_SKETCH_STRIDE), 4096);
  H(H_BASIS) = (u32)base;
  if (H(H_LEAD)) base += round_up((1 + directions()) * f32_bytes, 4096);
  H(H_BLOCKS_BASE) = base < limit ? (u32)base : 0;
  H(H_BLOCKS_MAX) = base < limit ? (u32)((limit - base) / H(H_BLOCK_BYTES)) : 0;
  if (H(H_EPOCH) == 0) H(H_EPOCH) = 1;
}

/* The state of an empty shard. */
void EXPORT(np_create)(void) {
  np_layout();
  for (u32 w = H_STATE; w < H_STATE_END; w++) H(w) = 0;
  H(H_ENTRY) = H(H_FREE) = H(H_PENDING) = H(H_LIMBO_SWEPT) = H(H_LIMBO_NEW) = NP_NONE;
  /* xorshift needs a state that is not zero; the multiplier spreads small seeds */
  H(H_PRNG) = (H(H_SEED) + 1) * 2654435769u | 1u;
}

/* Inserts the vector and the input of the writer's scratch; returns the ordinal, or NP_FULL. */
i32 EXPORT(np_insert)(void) { return insert(0); }

/* Removes an ordinal; returns it, or NP_UNKNOWN when it is not a live one. */
i32 EXPORT(np_remove)(u32 ordinal) { return remove_ordinal(0, ordinal); }

/* Puts the row in the writer's input in the place of a live ordinal's; returns it, NP_UNKNOWN, or NP_FULL when there is
 * no room for the row's keyword lists. */
i32 EXPORT(np_set_row)(u32 ordinal) { return set_row(0, ordinal); }

/* Whether a live ordinal holds what the vector in the reader's scratch is stored as, 1 or 0. */
u32 EXPORT(np_holds)(u32 reader, u32 ordinal) { return holds_vector(reader, ordinal); }

/* Puts the vector of an ordinal, as it is stored, into the reader's scratch. */
void EXPORT(np_vector)(u32 reader, u32 ordinal) { read_vector(reader, ordinal); }

/* Starts a search for the vector in the reader's scratch, and runs it for at most `budget` distances; one that is `timed`
 * also stops between two stages, and as soon as it has started with a budget of 0. A compiled filter of so many words,
 * which may be 0, stands in the input. Returns NP_DONE or NP_RUNNING. */
i32 EXPORT(np_search)(u32 reader, u32 k, u32 ef, u32 exact, u32 filter_words, i32 budget, u32 timed) {
  enter_epoch(reader);
  say(pinned_by(reader), 0);
  /* in this order: the writer publishes the count before the entry point that lies below it, notes a change when it is
   * done, and counts a new pin as live when it has counted its ordinal */
  u32 changes = see(&H(H_CHANGES)), live = __atomic_load_n(&H(H_LIVE), __ATOMIC_ACQUIRE);
  u32 entry = __atomic_load_n(&H(H_ENTRY), __ATOMIC_ACQUIRE), count = load(&H(H_COUNT));
  k = min_u32(max_u32(k, 1), NP_K_MAX);
  S(reader, S_ENTRY) = entry;
  S(reader, S_K) = k;
  S(reader, S_EF) = S(reader, S_EF_ASKED) = min_u32(max_u32(ef, k), NP_EF_MAX);
  S(reader, S_COUNT) = count;
  S(reader, S_EXACT) = exact;
  S(reader, S_TIMED) = timed;
  S(reader, S_FILTERED) = filter_words ? NP_FILTER_ROWS : NP_FILTER_NONE;
  S(reader, S_PROGRAM_WORDS) = filter_words;
  S(reader, S_CHANGES) = changes;
  S(reader, S_WHOLE) = live == count;
  S(reader, S_MATCHING) = filter_words ? 0 : live;
  S(reader, S_CURSOR) = S(reader, S_SIZE) = S(reader, S_HITS) = S(reader, S_DISTANCES) = S(reader, S_HOPS) = 0;
  S(reader, S_SAMPLED) = S(reader, S_ACCEPTED) = S(reader, S_MASK) = S(reader, S_MASK_CACHED) = 0;
  Shape s = shape_of_shard();
  Query q = query_from_vector(&s, reader);
  start_search(&s, &q, reader);
  return run_search(&s, &q, reader, budget);
}

i32 EXPORT(np_resume)(u32 reader, i32 budget) {
  Shape s = shape_of_shard();
  Query q = query_from_vector(&s, reader);
  return run_search(&s, &q, reader, budget);
}

/* Writes the hits of a finished or interrupted search and returns their number. Until np_leave no slot that they name
 * is used again. */
u32 EXPORT(np_hits)(u32 reader) {
  write_hits(reader);
  return S(reader, S_HITS);
}

void EXPORT(np_leave)(u32 reader) {
  say(pinned_by(reader), 0);
  leave_epoch(reader);
}

/* Returns the first finding, NP_VALID when there is none; the ordinal that it concerns goes to S_CURSOR. */
u32 EXPORT(np_validate)(u32 reader) { return validate(reader, &S(reader, S_CURSOR)); }

/* The products of f32[n] with each of `count` rows of f32[n], n a multiple of 4, to f32[count]. It takes no stack, so it may be
 * called by an instance that has no slot. */
void EXPORT(np_products)(u32 x, u32 rows, u32 count, u32 n, u32 out) {
  for (u32 r = 0; r < count; r++) AT(f32, out)[r] = dot_f32(AT(f32, rows) + r * n, AT(f32, x), n);
}

/* The kernels on raw addresses, for the tests that hold them against their twins. */
f32 EXPORT(np_dot_f32)(u32 a, u32 b, u32 n) { return dot_f32(AT(f32, a), AT(f32, b), n); }
f32 EXPORT(np_l2_f32)(u32 a, u32 b, u32 n) { return l2_f32(AT(f32, a), AT(f32, b), n); }
i32 EXPORT(np_dot_i8)(u32 q, u32 c, u32 n) { return dot_i8(AT(i16, q), AT(i8, c), n); }
void EXPORT(np_dots_i8)(u32 q, u32 codes, u32 n, u32 length, u32 out) {
  dots_i8(AT(i16, q), AT(u32, codes), n, length, AT(vec, out));
}
f32 EXPORT(np_dot_f32_i8)(u32 q, u32 c, u32 n) { return dot_f32_i8(AT(f32, q), AT(i8, c), n); }
f32 EXPORT(np_encode_i8)(u32 x, u32 dim, u32 values, u32 squared_norm) {
  return encode_i8(AT(f32, x), dim, AT(i8, values), AT(f32, squared_norm));
}
f32 EXPORT(np_encode_query)(u32 x, u32 dim, u32 code_max, u32 values, u32 squared_norm) {
  return encode_query(AT(f32, x), dim, code_max, AT(i16, values), AT(f32, squared_norm));
}
f32 EXPORT(np_encode_i10)(u32 x, u32 dim, u32 upper, u32 lower) {
  return encode_i10(AT(f32, x), dim, AT(i8, upper), AT(u8, lower));
}
i32 EXPORT(np_dot_i10)(u32 q, u32 upper, u32 lower, u32 n) {
  return dot_i10(AT(i16, q), AT(i8, upper), AT(u8, lower), n);
}
f32 EXPORT(np_encode_i12)(u32 x, u32 n, u32 values, u32 first, u32 plane, u32 squared_norm) {
  return encode_i12(AT(f32, x), n, AT(i8, values), first, AT(u8, plane), AT(f32, squared_norm));
}
i32 EXPORT(np_dot_i4)(u32 q, u32 plane, u32 n) { return dot_i4(AT(i16, q), AT(u8, plane), n); }
void EXPORT(np_project)(u32 directions, u32 x, u32 lead, u32 n, u32 out) {
  project(AT(f32, directions), AT(f32, x), lead, n, AT(f32, out));
}
void EXPORT(np_expand)(u32 directions, u32 y, u32 lead, u32 n, u32 out) {
  expand(AT(f32, directions), AT(f32, y), lead, n, AT(f32, out));
}
u32 EXPORT(np_filter)(u32 program, u32 ordinal) { return filter_accepts(AT(u32, program), ordinal); }

/* The checksum of bytes of the memory. It takes no stack, so it may be called by an instance that has no slot. */
u32 EXPORT(np_checksum)(u32 at, u32 bytes, u32 so_far) { return checksum(at, bytes, so_far); }
