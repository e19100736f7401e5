/*
 * Evaluates a compiled filter on attribute rows, up to FILTER_ROWS together: the program is postfix over a stack of
 * booleans (src/index/filter-program.ts compiles it, states each instruction, and holds the naive twin), and here each
 * value on the stack has one bit per row. So an instruction is decoded once for all of them and a leaf is a tight loop,
 * as in vectorised query execution (Boncz, Zukowski and Nes, CIDR 2005).
 */
#ifndef NP_FILTER_H
#define NP_FILTER_H

#include "heap.h"
#include "sketch.h"

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

/* Each of these answers with bit i for the cell i * NP_CELL_STRIDE bytes from `cell`, i < n <= 32. What lies beyond the
 * n-th is read as well, where that is quicker: the columns are never the last thing in a block. */

INLINE u32 numbers_between(u32 cell, u32 n, f64 least, f64 most) {
  vec low = f64x2_splat(least), high = f64x2_splat(most);
  u32 bits = 0;
#define TWO(i) f64x2_within(vec_load(AT(u8, cell + (i) * NP_CELL_STRIDE)), low, high)
#define FOUR(i) i32x4_evens(TWO(i), TWO((i) + 2))
#define SIXTEEN(i) i8x16_narrow_i16x8(i16x8_narrow_i32x4(FOUR(i), FOUR((i) + 4)), i16x8_narrow_i32x4(FOUR((i) + 8), FOUR((i) + 12)))
  if (n == 32) return i8x16_bitmask(SIXTEEN(0)) | i8x16_bitmask(SIXTEEN(16)) << 16;
  for (u32 i = 0; i < n; i += 2) bits |= (u32)i64x2_bitmask(TWO(i)) << i;
#undef TWO
#undef FOUR
#undef SIXTEEN
  return bits;
}

static u32 numbers_in(u32 cell, u32 n, const u32 *values, u32 n_values) {
  u32 bits = 0;
  for (u32 j = 0; j < n_values; j++) {
    f64 value = f64_of(u64_at(values + 2 * j));
    bits |= numbers_between(cell, n, value, value);
  }
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

/* Rows that are evaluated together, at most, and the words that a value on the stack then has. */
#define FILTER_ROWS 4096
#define FILTER_WORDS (FILTER_ROWS / 32)

/* Numbers within bounds, of the n ordinals from `first` on; by the column's sketch where there is one. */
static void numbers_within(u32 first, u32 n, u32 offset, f64 least, f64 most, u32 *value) {
  u32 slot = find_sketch(offset);
  if (slot == NP_NONE) {
    for (u32 i = 0; i < n; i += 32)
      value[i / 32] = numbers_between(cell_of(first + i, offset), min_u32(n - i, 32), least, most);
    if (first == 0) ask_for_sketch(offset);
    return;
  }
  CodeRange range = code_range(sketch_bounds(slot), least, most);
  for (u32 i = 0; i < n; i += 32) {
    u32 perhaps, bits = codes_within(sketch_codes(slot) + first + i, &range, &perhaps);
    if (n - i < 32) perhaps &= (1u << (n - i)) - 1;
    for (; perhaps; perhaps &= perhaps - 1) {
      u32 at = (u32)__builtin_ctz(perhaps);
      f64 x = *AT(f64, cell_of(first + i + at, offset));
      bits |= (u32)(x >= least && x <= most) << at;
    }
    value[i / 32] = bits;
  }
}

/* Bit i of `bits`: whether the program holds for ordinal first + i, or for ordinals[i] where there is a list, i < n <=
 * FILTER_ROWS. Bits beyond the n-th, in the last word, are 0. */
INLINE void filter_run(const u32 *program, const u32 *ordinals, u32 first, u32 n, u32 *bits) {
  u32 stack[NP_FILTER_STACK + 1][FILTER_WORDS], words = (n + 31) / 32;
  u32 top = 0; /* number of values on the stack */
  for (const u32 *p = program;;) {
    u32 *value = stack[top];
#define WORDS(expression) for (u32 w = 0; w < words; w++) value[w] = (expression)
#define ROWS(w) min_u32(n - 32 * (w), 32)
#define EACH(holds) \
  for (u32 w = 0; w < words; w++) { \
    value[w] = 0; \
    for (u32 i = 0; i < ROWS(w); i++) value[w] |= ((u32)(holds) & 1) << i; \
  }
/* a word's rows lie beside each other; those of a list lie anywhere, so each is looked at alone */
#define CELLS(offset) cell_of(first + 32 * w, offset)
#define EACH_CELL(offset) (ordinals ? cell_of(ordinals[32 * w + i], offset) : CELLS(offset) + i * NP_CELL_STRIDE)
#define LEAF(compare, offset, ...) \
  if (ordinals) EACH(compare(EACH_CELL(offset), 1, __VA_ARGS__)) \
  else WORDS(compare(CELLS(offset), ROWS(w), __VA_ARGS__))
    switch (*p) {
      case F_AND:
      case F_OR: {
        u32 operands = p[1], is_and = *p == F_AND;
        value = stack[top -= operands];
        if (operands == 0) WORDS(is_and ? ~0u : 0);
        for (u32 m = 1; m < operands; m++) WORDS(is_and ? value[w] & stack[top + m][w] : value[w] | stack[top + m][w]);
        p += 2;
        break;
      }
      case F_NOT:
        value = stack[--top];
        WORDS(~value[w]);
        p += 1;
        break;
      case F_TRUE: WORDS(~0u); p += 1; break;
      case F_FALSE: WORDS(0); p += 1; break;
      case F_EXISTS: EACH(exists(EACH_CELL(p[2]), p[1])); p += 3; break;
      case F_NUM_RANGE: {
        u64 low = u64_at(p + 3), high = u64_at(p + 5);
        f64 least = p[2] & 1 ? f64_of(low) : next_number(low, 1), most = p[2] & 2 ? f64_of(high) : next_number(high, 0);
        if (ordinals) EACH(numbers_between(EACH_CELL(p[1]), 1, least, most))
        else numbers_within(first, n, p[1], least, most, value);
        p += 7;
        break;
      }
      case F_NUM_IN: LEAF(numbers_in, p[1], p + 3, p[2]); p += 3 + 2 * p[2]; break;
      case F_KW_IN: LEAF(keywords_in, p[1], p + 3, p[2]); p += 3 + p[2]; break;
      case F_KWS_ANY: EACH(any_keyword_in(*AT(u32, EACH_CELL(p[1])), p + 3, p[2])); p += 3 + p[2]; break;
      case F_BOOL_EQ: EACH(*AT(u8, EACH_CELL(p[1])) == p[2]); p += 3; break;
      default:
        for (u32 w = 0; w < words; w++) bits[w] = stack[0][w];
        if (n % 32) bits[words - 1] &= (1u << n % 32) - 1;
        return;
    }
#undef WORDS
#undef ROWS
#undef EACH
#undef CELLS
#undef EACH_CELL
#undef LEAF
    top++;
  }
}

/* Of n <= FILTER_ROWS rows in their order, of which each word's 32, or all, lie in one block. */
static void filter_rows(const u32 *program, u32 first, u32 n, u32 *bits) { filter_run(program, 0, first, n, bits); }

/* Of n rows anywhere, 1 to 32: bit i of the answer is that of ordinals[i]. */
static u32 filter_each(const u32 *program, const u32 *ordinals, u32 n) {
  u32 bits;
  filter_run(program, ordinals, 0, n, &bits);
  return bits;
}

INLINE u32 filter_accepts(const u32 *program, u32 ordinal) { return filter_each(program, &ordinal, 1); }

#endif
