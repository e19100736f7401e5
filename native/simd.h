/*
 * The dozen SIMD128 operations that the kernels use. In WebAssembly they are instructions; the native build, which
 * exists for the sanitizers, does the same arithmetic lane by lane.
 */
#ifndef NP_SIMD_H
#define NP_SIMD_H

#include "memory.h"

#ifdef __wasm__
#include <wasm_simd128.h>
typedef v128_t vec;
#define vec_load(p) wasm_v128_load(p)
#define f32x4_zero() wasm_f32x4_const_splat(0)
#define f32x4_add(a, b) wasm_f32x4_add(a, b)
#define f32x4_sub(a, b) wasm_f32x4_sub(a, b)
#define f32x4_mul(a, b) wasm_f32x4_mul(a, b)
#define f32x4_lane(a, i) wasm_f32x4_extract_lane(a, i)
#define f32x4_abs(a) wasm_f32x4_abs(a)
#define f32x4_max(a, b) wasm_f32x4_max(a, b)
#define f32x4_below(a, b) wasm_f32x4_lt(a, b)
#define f32x4_from_i32x4(a) wasm_f32x4_convert_i32x4(a)
#define i32x4_zero() wasm_i32x4_const_splat(0)
#define i32x4_add(a, b) wasm_i32x4_add(a, b)
#define i32x4_sub(a, b) wasm_i32x4_sub(a, b)
#define i32x4_min(a, b) wasm_i32x4_min(a, b)
#define i32x4_max(a, b) wasm_i32x4_max(a, b)
#define i64x2_add(a, b) wasm_i64x2_add(a, b)
#define i64x2_low_u32x4(a) wasm_u64x2_extend_low_u32x4(a)
#define i64x2_high_u32x4(a) wasm_u64x2_extend_high_u32x4(a)
#define i32x4_lane(a, i) wasm_i32x4_extract_lane(a, i)
#define i32x4_dot_i16x8(a, b) wasm_i32x4_dot_i16x8(a, b)
#define i32x4_low_i16x8(a) wasm_i32x4_extend_low_i16x8(a)
#define i32x4_high_i16x8(a) wasm_i32x4_extend_high_i16x8(a)
#define i32x4_zip_low(a, b) wasm_i32x4_shuffle(a, b, 0, 4, 1, 5)
#define i32x4_zip_high(a, b) wasm_i32x4_shuffle(a, b, 2, 6, 3, 7)
#define i64x2_zip_low(a, b) wasm_i64x2_shuffle(a, b, 0, 2)
#define i64x2_zip_high(a, b) wasm_i64x2_shuffle(a, b, 1, 3)
#define i32x4_evens(a, b) wasm_i32x4_shuffle(a, b, 0, 2, 4, 6)
#define i32x4_odds(a, b) wasm_i32x4_shuffle(a, b, 1, 3, 5, 7)
#define f32x4_splat(x) wasm_f32x4_splat(x)
#define i64x2_zero() wasm_i64x2_const_splat(0)
#define i64x2_splat(x) wasm_i64x2_splat(x)
#define i64x2_sub(a, b) wasm_i64x2_sub(a, b)
#define i64x2_below(a, b) wasm_i64x2_lt(a, b)
#define i64x2_lane(a, i) wasm_i64x2_extract_lane(a, i)
#define vec_store(p, a) wasm_v128_store(p, a)
#define vec_load64(p) wasm_v128_load64_zero(p)
#define i16x8_load_i8x8(p) wasm_i16x8_load8x8(p)
#define i16x8_narrow_i32x4(a, b) wasm_i16x8_narrow_i32x4(a, b)
#define i16x8_low_i8x16(a) wasm_i16x8_extend_low_i8x16(a)
#define i16x8_high_i8x16(a) wasm_i16x8_extend_high_i8x16(a)
#define i16x8_quadruple_add(a, b) wasm_i16x8_add(wasm_i16x8_shl(a, 2), b)
#define i16x8_low_i4(a) wasm_i16x8_shr(wasm_i16x8_shl(a, 12), 12)
#define i16x8_shift_4(a) wasm_i16x8_shr(a, 4)
#define u8x16_low_bits(a) wasm_v128_and(a, wasm_i8x16_const_splat(3))
#define u8x16_shift_2(a) wasm_u16x8_shr(a, 2)
#define i32x4_splat(x) wasm_i32x4_splat(x)
#define i32x4_eq(a, b) wasm_i32x4_eq(a, b)
#define i32x4_bitmask(a) wasm_i32x4_bitmask(a)
#define f64x2_splat(x) wasm_f64x2_splat(x)
#define f64x2_within(a, low, high) wasm_v128_and(wasm_f64x2_ge(a, low), wasm_f64x2_le(a, high))
#define i64x2_bitmask(a) wasm_i64x2_bitmask(a)
#define i8x16_narrow_i16x8(a, b) wasm_i8x16_narrow_i16x8(a, b)
#define i8x16_bitmask(a) ((u32)wasm_i8x16_bitmask(a))
#define i16x8_splat(x) wasm_i16x8_splat((i16)(x))
#define i16x8_sub(a, b) wasm_i16x8_sub(a, b)
#define i16x8_abs(a) wasm_i16x8_abs(a)
#define i16x8_below(a, b) wasm_i16x8_lt(a, b)
#define i16x8_eq(a, b) wasm_i16x8_eq(a, b)
#define vec_or(a, b) wasm_v128_or(a, b)
#define vec_any(a) wasm_v128_any_true(a)
#else
typedef union { f32 f[4]; f64 d[2]; i32 i[4]; i64 l[2]; i16 h[8]; i8 b[16]; } vec;
static inline vec vec_load(const void *p) { vec v; __builtin_memcpy(&v, p, 16); return v; }
static inline vec f32x4_zero(void) { vec v = {{0, 0, 0, 0}}; return v; }
#define NP_LANES(name, field, n, expr) \
  static inline vec name(vec a, vec b) { vec v; for (int k = 0; k < n; k++) v.field[k] = expr; return v; }
NP_LANES(f32x4_add, f, 4, a.f[k] + b.f[k])
NP_LANES(f32x4_sub, f, 4, a.f[k] - b.f[k])
NP_LANES(f32x4_mul, f, 4, a.f[k] * b.f[k])
NP_LANES(i32x4_add, i, 4, (i32)((u32)a.i[k] + (u32)b.i[k]))
NP_LANES(i32x4_sub, i, 4, (i32)((u32)a.i[k] - (u32)b.i[k]))
NP_LANES(i32x4_min, i, 4, a.i[k] < b.i[k] ? a.i[k] : b.i[k])
NP_LANES(i32x4_max, i, 4, a.i[k] > b.i[k] ? a.i[k] : b.i[k])
NP_LANES(f32x4_max, f, 4, a.f[k] > b.f[k] ? a.f[k] : b.f[k])
NP_LANES(f32x4_below, i, 4, a.f[k] < b.f[k] ? -1 : 0)
NP_LANES(i64x2_add, l, 2, (i64)((u64)a.l[k] + (u64)b.l[k]))
NP_LANES(i32x4_dot_i16x8, i, 4, (i32)((u32)(a.h[2 * k] * b.h[2 * k]) + (u32)(a.h[2 * k + 1] * b.h[2 * k + 1])))
static inline f32 f32x4_lane(vec a, int k) { return a.f[k]; }
static inline i32 i32x4_lane(vec a, int k) { return a.i[k]; }
static inline vec i32x4_zero(void) { vec v; for (int k = 0; k < 4; k++) v.i[k] = 0; return v; }
static inline vec i32x4_zip_low(vec a, vec b) { vec v = {.i = {a.i[0], b.i[0], a.i[1], b.i[1]}}; return v; }
static inline vec i32x4_zip_high(vec a, vec b) { vec v = {.i = {a.i[2], b.i[2], a.i[3], b.i[3]}}; return v; }
static inline vec i64x2_zip_low(vec a, vec b) { vec v = {.i = {a.i[0], a.i[1], b.i[0], b.i[1]}}; return v; }
static inline vec i64x2_zip_high(vec a, vec b) { vec v = {.i = {a.i[2], a.i[3], b.i[2], b.i[3]}}; return v; }
static inline vec i32x4_evens(vec a, vec b) { vec v = {.i = {a.i[0], a.i[2], b.i[0], b.i[2]}}; return v; }
static inline vec i32x4_odds(vec a, vec b) { vec v = {.i = {a.i[1], a.i[3], b.i[1], b.i[3]}}; return v; }
NP_LANES(i64x2_sub, l, 2, (i64)((u64)a.l[k] - (u64)b.l[k]))
NP_LANES(i64x2_below, l, 2, -(i64)(a.l[k] < b.l[k]))
static inline vec i64x2_zero(void) { vec v = {.l = {0, 0}}; return v; }
static inline vec i64x2_splat(i64 x) { vec v = {.l = {x, x}}; return v; }
static inline i64 i64x2_lane(vec a, int k) { return a.l[k]; }
static inline vec f32x4_splat(f32 x) { vec v = {{x, x, x, x}}; return v; }
static inline void vec_store(void *p, vec a) { __builtin_memcpy(p, &a, 16); }
static inline vec vec_load64(const void *p) { vec v = {{0, 0, 0, 0}}; __builtin_memcpy(&v, p, 8); return v; }
static inline vec i32x4_splat(i32 x) { vec v = {.i = {x, x, x, x}}; return v; }
NP_LANES(i32x4_eq, i, 4, a.i[k] == b.i[k] ? -1 : 0)
NP_LANES(vec_or, l, 2, a.l[k] | b.l[k])
static inline u32 i32x4_bitmask(vec a) { u32 m = 0; for (int k = 0; k < 4; k++) m |= (u32)(a.i[k] < 0) << k; return m; }
static inline u32 i8x16_bitmask(vec a) { u32 m = 0; for (int k = 0; k < 16; k++) m |= (u32)(a.b[k] < 0) << k; return m; }
static inline vec i16x8_splat(i32 x) { vec v; for (int k = 0; k < 8; k++) v.h[k] = (i16)x; return v; }
NP_LANES(i16x8_sub, h, 8, (i16)(a.h[k] - b.h[k]))
NP_LANES(i16x8_below, h, 8, a.h[k] < b.h[k] ? -1 : 0)
NP_LANES(i16x8_eq, h, 8, a.h[k] == b.h[k] ? -1 : 0)
static inline vec i16x8_abs(vec a) { for (int k = 0; k < 8; k++) a.h[k] = (i16)(a.h[k] < 0 ? -a.h[k] : a.h[k]); return a; }
static inline u32 vec_any(vec a) { return a.l[0] != 0 || a.l[1] != 0; }
/* of masks alone, where nothing saturates */
static inline vec i8x16_narrow_i16x8(vec a, vec b) {
  vec v;
  for (int k = 0; k < 8; k++) v.b[k] = (i8)a.h[k], v.b[k + 8] = (i8)b.h[k];
  return v;
}
static inline vec f64x2_splat(f64 x) { vec v = {.d = {x, x}}; return v; }
static inline vec f64x2_within(vec a, vec low, vec high) {
  vec v;
  for (int k = 0; k < 2; k++) v.l[k] = a.d[k] >= low.d[k] && a.d[k] <= high.d[k] ? -1 : 0;
  return v;
}
static inline u32 i64x2_bitmask(vec a) { return (u32)(a.l[0] < 0) | (u32)(a.l[1] < 0) << 1; }
static inline vec f32x4_from_i32x4(vec a) { vec v; for (int k = 0; k < 4; k++) v.f[k] = (f32)a.i[k]; return v; }
static inline vec i32x4_low_i16x8(vec a) { vec v; for (int k = 0; k < 4; k++) v.i[k] = a.h[k]; return v; }
static inline vec i32x4_high_i16x8(vec a) { vec v; for (int k = 0; k < 4; k++) v.i[k] = a.h[k + 4]; return v; }
static inline vec i16x8_low_i8x16(vec a) { vec v; for (int k = 0; k < 8; k++) v.h[k] = a.b[k]; return v; }
static inline vec i16x8_high_i8x16(vec a) { vec v; for (int k = 0; k < 8; k++) v.h[k] = a.b[k + 8]; return v; }
static inline vec i16x8_load_i8x8(const i8 *p) { vec v; for (int k = 0; k < 8; k++) v.h[k] = p[k]; return v; }
static inline vec i16x8_narrow_i32x4(vec a, vec b) {
  vec v;
  for (int k = 0; k < 4; k++) v.h[k] = (i16)a.i[k], v.h[k + 4] = (i16)b.i[k];
  return v;
}
static inline vec f32x4_abs(vec a) { for (int k = 0; k < 4; k++) a.f[k] = __builtin_fabsf(a.f[k]); return a; }
static inline vec i64x2_low_u32x4(vec a) { vec v; for (int k = 0; k < 2; k++) v.l[k] = (u32)a.i[k]; return v; }
static inline vec i64x2_high_u32x4(vec a) { vec v; for (int k = 0; k < 2; k++) v.l[k] = (u32)a.i[k + 2]; return v; }
NP_LANES(i16x8_quadruple_add, h, 8, (i16)(a.h[k] * 4 + b.h[k]))
static inline vec i16x8_low_i4(vec a) { for (int k = 0; k < 8; k++) a.h[k] = (i16)((a.h[k] & 15) - (a.h[k] & 8) * 2); return a; }
static inline vec i16x8_shift_4(vec a) { for (int k = 0; k < 8; k++) a.h[k] >>= 4; return a; }
static inline vec u8x16_low_bits(vec a) { for (int k = 0; k < 16; k++) a.b[k] &= 3; return a; }
/* the bits that a byte receives from its neighbour are beyond the two low ones, until it has given all of its own */
static inline vec u8x16_shift_2(vec a) { for (int k = 0; k < 8; k++) a.h[k] = (i16)((u16)a.h[k] >> 2); return a; }
#endif

/* The sum of the lanes of each of four vectors. */
INLINE vec i32x4_sum_each(vec s0, vec s1, vec s2, vec s3) {
  vec t0 = i32x4_add(i32x4_zip_low(s0, s1), i32x4_zip_high(s0, s1));
  vec t1 = i32x4_add(i32x4_zip_low(s2, s3), i32x4_zip_high(s2, s3));
  return i32x4_add(i64x2_zip_low(t0, t1), i64x2_zip_high(t0, t1));
}

#endif
