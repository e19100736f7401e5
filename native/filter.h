/*
 * Evaluates a compiled filter on the attribute row of an ordinal. The program is postfix over a stack of booleans;
 * src/index/filter-program.ts compiles it, states each instruction, and holds the naive twin.
 */
#ifndef NP_FILTER_H
#define NP_FILTER_H

#include "heap.h"

enum { F_END, F_AND, F_OR, F_NOT, F_TRUE, F_FALSE, F_EXISTS, F_NUM_RANGE, F_NUM_IN, F_KW_IN, F_KWS_ANY, F_BOOL_EQ };
enum { KIND_NUMBER, KIND_KEYWORD, KIND_KEYWORDS, KIND_BOOL };

INLINE f64 f64_at(const u32 *words) {
  union { u64 u; f64 f; } x = {(u64)words[1] << 32 | words[0]};
  return x.f;
}

static u32 contains_u32(const u32 *sorted, u32 n, u32 value) {
  u32 low = 0;
  while (low < n) {
    u32 middle = (low + n) / 2;
    if (sorted[middle] < value) low = middle + 1;
    else n = middle;
  }
  /* the loop ends with low == n, which may be one past the last of the values */
  return sorted[low] == value;
}

static u32 in_range(f64 value, u32 flags, const u32 *bounds) {
  f64 lo = f64_at(bounds), hi = f64_at(bounds + 2);
  return (flags & 1 ? value >= lo : value > lo) && (flags & 2 ? value <= hi : value < hi);
}

static u32 number_in(f64 value, const u32 *values, u32 n) {
  for (u32 i = 0; i < n; i++)
    if (f64_at(values + 2 * i) == value) return 1;
  return 0;
}

static u32 keyword_in(u32 code, const u32 *codes, u32 n) {
  return code != 0 && n != 0 && codes[n - 1] >= code && contains_u32(codes, n, code);
}

static u32 any_keyword_in(u32 reference, const u32 *codes, u32 n) {
  if (!reference) return 0;
  const u32 *list = AT(u32, heap_address(reference));
  /* no list is longer than the largest record; a damaged one must not be walked for ever */
  for (u32 i = 1, end = min_u32(list[0], HEAP_RECORD_MAX / 4 - 1); i <= end; i++)
    if (keyword_in(list[i], codes, n)) return 1;
  return 0;
}

static u32 exists(u32 row, u32 kind) {
  if (kind == KIND_NUMBER) {
    f64 value = *AT(f64, row);
    return value == value;
  }
  return kind == KIND_BOOL ? *AT(u8, row) != 0 : *AT(u32, row) != 0;
}

static u32 filter_accepts(const u32 *program, u32 row) {
  u8 stack[NP_FILTER_STACK + 1];
  u32 top = 0; /* number of values on the stack */
  for (const u32 *p = program;;) {
    u32 value, n;
    switch (*p) {
      case F_AND:
      case F_OR:
        value = *p == F_AND;
        for (n = p[1]; n > 0; n--) {
          top--;
          value = *p == F_AND ? value & stack[top] : value | stack[top];
        }
        p += 2;
        break;
      case F_NOT: value = !stack[--top]; p += 1; break;
      case F_TRUE: value = 1; p += 1; break;
      case F_FALSE: value = 0; p += 1; break;
      case F_EXISTS: value = exists(row + p[2], p[1]); p += 3; break;
      case F_NUM_RANGE: value = in_range(*AT(f64, row + p[1]), p[2], p + 3); p += 7; break;
      case F_NUM_IN: value = number_in(*AT(f64, row + p[1]), p + 3, p[2]); p += 3 + 2 * p[2]; break;
      case F_KW_IN: value = keyword_in(*AT(u32, row + p[1]), p + 3, p[2]); p += 3 + p[2]; break;
      case F_KWS_ANY: value = any_keyword_in(*AT(u32, row + p[1]), p + 3, p[2]); p += 3 + p[2]; break;
      case F_BOOL_EQ: value = *AT(u8, row + p[1]) == p[2]; p += 3; break;
      default: return stack[0];
    }
    stack[top++] = (u8)value;
  }
}

#endif
