/*
 * Evaluates a compiled filter on attribute rows, up to 32 together: the program is postfix over a stack of booleans
 * (src/index/filter-program.ts compiles it, states each instruction, and holds the naive twin), and here each value on
 * the stack is a word with one bit per row. So an instruction is decoded once for 32 rows and a leaf is a tight loop,
 * as in vectorised query execution (Boncz, Zukowski and Nes, CIDR 2005).
 */
#ifndef NP_FILTER_H
#define NP_FILTER_H

#include "heap.h"
#include "simd.h"

enum { F_END, F_AND, F_OR, F_NOT, F_TRUE, F_FALSE, F_EXISTS, F_NUM_RANGE, F_NUM_IN, F_KW_IN, F_KWS_ANY, F_BOOL_EQ };
enum { KIND_NUMBER, KIND_KEYWORD, KIND_KEYWORDS, KIND_BOOL };

INLINE f64 f64_of(u64 bits) {
  union { u64 u; f64 f; } x = {bits};
  return x.f;
}
INLINE u64 u64_at(const u32 *words) { return (u64)words[1] << 32 | words[0]; }

/* The least number above x, or with `up` 0 the greatest below it; NaN, which nothing compares with, when there is none. */
static f64 next_number(u64 x, u32 up) {
  u64 magnitude = x & ~(1ull << 63), negative = x >> 63;
  if (magnitude == 0) return f64_of(up ? 1 : 1ull << 63 | 1);
  return f64_of(negative == up ? x - 1 : x + 1);
}

/* Each of these answers with bit i for the cell i * NP_CELL_STRIDE bytes from `cell`. What lies beyond the n-th is read
 * as well, where that is quicker: the columns are never the last thing in a block. */

static u32 numbers_within(u32 cell, u32 n, u32 flags, const u32 *bounds) {
  u64 low = u64_at(bounds), high = u64_at(bounds + 2);
  vec least = f64x2_splat(flags & 1 ? f64_of(low) : next_number(low, 1));
  vec most = f64x2_splat(flags & 2 ? f64_of(high) : next_number(high, 0));
  u32 bits = 0;
  for (u32 i = 0; i < n; i += 2)
    bits |= (u32)i64x2_bitmask(f64x2_within(vec_load(AT(u8, cell + i * NP_CELL_STRIDE)), least, most)) << i;
  return bits;
}

static u32 numbers_in(u32 cell, u32 n, const u32 *values, u32 n_values) {
  u32 bits = 0;
  for (u32 j = 0; j < n_values; j++) bits |= numbers_within(cell, n, 3, (const u32[]){values[2 * j], values[2 * j + 1], values[2 * j], values[2 * j + 1]});
  return bits;
}

/* Without a branch on the values: nothing could predict it. */
static u32 contains_u32(const u32 *sorted, u32 n, u32 value) {
  const u32 *low = sorted;
  for (; n > 1; n -= n / 2) low += low[n / 2 - 1] < value ? n / 2 : 0;
  return *low == value;
}

static u32 keyword_in(u32 code, const u32 *codes, u32 n) {
  return code != 0 && n != 0 && contains_u32(codes, n, code);
}

/* Up to so many codes are compared one after the other. */
#define FEW_CODES 24

static u32 keywords_in(u32 cell, u32 n, const u32 *codes, u32 n_codes) {
  u32 bits = 0;
  if (n_codes > FEW_CODES) {
    for (u32 i = 0; i < n; i++) bits |= keyword_in(*AT(u32, cell + i * NP_CELL_STRIDE), codes, n_codes) << i;
    return bits;
  }
  for (u32 i = 0; i < n; i += 4) {
    const u8 *at = AT(u8, cell + i * NP_CELL_STRIDE);
    vec cells = i32x4_evens(vec_load(at), vec_load(at + 2 * NP_CELL_STRIDE)), equal = i32x4_zero();
    for (u32 j = 0; j < n_codes; j++) equal = vec_or(equal, i32x4_eq(cells, i32x4_splat((i32)codes[j])));
    bits |= (u32)i32x4_bitmask(equal) << i;
  }
  return bits;
}

static u32 any_keyword_in(u32 reference, const u32 *codes, u32 n) {
  if (!reference) return 0;
  const u32 *list = AT(u32, heap_address(reference));
  /* no list is longer than the largest record; a damaged one must not be walked for ever */
  for (u32 i = 1, end = min_u32(list[0], HEAP_RECORD_MAX / 4 - 1); i <= end; i++)
    if (keyword_in(list[i], codes, n)) return 1;
  return 0;
}

static u32 exists(u32 cell, u32 kind) {
  if (kind == KIND_NUMBER) return *AT(f64, cell) == *AT(f64, cell);
  return kind == KIND_BOOL ? *AT(u8, cell) != 0 : *AT(u32, cell) != 0;
}

/* Bit i of the answer: whether the program holds for ordinal first + i, i < n <= 32; all of them lie in one block. */
static u32 filter_rows(const u32 *program, u32 first, u32 n) {
  u32 stack[NP_FILTER_STACK + 1], all = n < 32 ? (1u << n) - 1 : ~0u;
  u32 top = 0; /* number of values on the stack */
  for (const u32 *p = program;;) {
    u32 value = 0;
#define CELL(offset) cell_of(first, offset)
#define EACH(holds) for (u32 i = 0; i < n; i++) value |= (u32)(holds) << i
    switch (*p) {
      case F_AND:
        value = all;
        for (u32 m = p[1]; m > 0; m--) value &= stack[--top];
        p += 2;
        break;
      case F_OR:
        for (u32 m = p[1]; m > 0; m--) value |= stack[--top];
        p += 2;
        break;
      case F_NOT: value = ~stack[--top]; p += 1; break;
      case F_TRUE: value = all; p += 1; break;
      case F_FALSE: p += 1; break;
      case F_EXISTS: EACH(exists(CELL(p[2]) + i * NP_CELL_STRIDE, p[1])); p += 3; break;
      case F_NUM_RANGE: value = numbers_within(CELL(p[1]), n, p[2], p + 3); p += 7; break;
      case F_NUM_IN: value = numbers_in(CELL(p[1]), n, p + 3, p[2]); p += 3 + 2 * p[2]; break;
      case F_KW_IN: value = keywords_in(CELL(p[1]), n, p + 3, p[2]); p += 3 + p[2]; break;
      case F_KWS_ANY: EACH(any_keyword_in(*AT(u32, CELL(p[1]) + i * NP_CELL_STRIDE), p + 3, p[2])); p += 3 + p[2]; break;
      case F_BOOL_EQ: EACH(*AT(u8, CELL(p[1]) + i * NP_CELL_STRIDE) == p[2]); p += 3; break;
      default: return stack[0];
    }
#undef CELL
#undef EACH
    stack[top++] = value & all;
  }
}

INLINE u32 filter_accepts(const u32 *program, u32 ordinal) { return filter_rows(program, ordinal, 1); }

#endif
