/*
 * The arithmetic: products and squared differences over padded vectors, and the 8-bit quantiser. Each kernel has a
 * naive twin in src/core/oracle.ts that gives the same bits, because the order of the additions is part of its
 * definition: element i goes to accumulator (i / 4) % 4, lane i % 4; then (a0 + a1) + (a2 + a3), then
 * (l0 + l1) + (l2 + l3). No fused multiply-add.
 *
 * f32 vectors are padded with zeros to a multiple of 4 elements, codes and quantised queries to a multiple of 16.
 */
#ifndef NP_KERNELS_H
#define NP_KERNELS_H

#include "simd.h"

INLINE f32 sum_lanes(vec a0, vec a1, vec a2, vec a3) {
  vec v = f32x4_add(f32x4_add(a0, a1), f32x4_add(a2, a3));
  return (f32x4_lane(v, 0) + f32x4_lane(v, 1)) + (f32x4_lane(v, 2) + f32x4_lane(v, 3));
}

/* dot product of f32[n], n a multiple of 4 */
INLINE f32 dot_f32(const f32 *a, const f32 *b, u32 n) {
  vec s0 = f32x4_zero(), s1 = s0, s2 = s0, s3 = s0;
  u32 i = 0;
  for (; i + 16 <= n; i += 16) {
    s0 = f32x4_add(s0, f32x4_mul(vec_load(a + i), vec_load(b + i)));
    s1 = f32x4_add(s1, f32x4_mul(vec_load(a + i + 4), vec_load(b + i + 4)));
    s2 = f32x4_add(s2, f32x4_mul(vec_load(a + i + 8), vec_load(b + i + 8)));
    s3 = f32x4_add(s3, f32x4_mul(vec_load(a + i + 12), vec_load(b + i + 12)));
  }
  if (i < n) s0 = f32x4_add(s0, f32x4_mul(vec_load(a + i), vec_load(b + i)));
  if (i + 4 < n) s1 = f32x4_add(s1, f32x4_mul(vec_load(a + i + 4), vec_load(b + i + 4)));
  if (i + 8 < n) s2 = f32x4_add(s2, f32x4_mul(vec_load(a + i + 8), vec_load(b + i + 8)));
  return sum_lanes(s0, s1, s2, s3);
}

INLINE vec square_of_difference(const f32 *a, const f32 *b) {
  vec d = f32x4_sub(vec_load(a), vec_load(b));
  return f32x4_mul(d, d);
}

/* squared Euclidean distance of f32[n], n a multiple of 4 */
INLINE f32 l2_f32(const f32 *a, const f32 *b, u32 n) {
  vec s0 = f32x4_zero(), s1 = s0, s2 = s0, s3 = s0;
  u32 i = 0;
  for (; i + 16 <= n; i += 16) {
    s0 = f32x4_add(s0, square_of_difference(a + i, b + i));
    s1 = f32x4_add(s1, square_of_difference(a + i + 4, b + i + 4));
    s2 = f32x4_add(s2, square_of_difference(a + i + 8, b + i + 8));
    s3 = f32x4_add(s3, square_of_difference(a + i + 12, b + i + 12));
  }
  if (i < n) s0 = f32x4_add(s0, square_of_difference(a + i, b + i));
  if (i + 4 < n) s1 = f32x4_add(s1, square_of_difference(a + i + 4, b + i + 4));
  if (i + 8 < n) s2 = f32x4_add(s2, square_of_difference(a + i + 8, b + i + 8));
  return sum_lanes(s0, s1, s2, s3);
}

INLINE i32 sum_i32(vec v) { return i32x4_lane(v, 0) + i32x4_lane(v, 1) + i32x4_lane(v, 2) + i32x4_lane(v, 3); }

/* dot product of i16[n] and i8[n], n a multiple of 16; exact, since the quantiser bounds the sum below 2^31 */
INLINE i32 dot_i8(const i16 *q, const i8 *c, u32 n) {
  vec s = i32x4_zero(), t = s;
  for (u32 i = 0; i < n; i += 16) {
    vec x = vec_load(c + i);
    s = i32x4_add(s, i32x4_dot_i16x8(vec_load(q + i), i16x8_low_i8x16(x)));
    t = i32x4_add(t, i32x4_dot_i16x8(vec_load(q + i + 8), i16x8_high_i8x16(x)));
  }
  return sum_i32(i32x4_add(s, t));
}

/* the same for four codes in one pass over the query */
INLINE void dot4_i8(const i16 *q, const i8 *c0, const i8 *c1, const i8 *c2, const i8 *c3, u32 n, vec *out) {
  vec s0 = i32x4_zero(), s1 = s0, s2 = s0, s3 = s0;
  for (u32 i = 0; i < n; i += 16) {
    vec low = vec_load(q + i), high = vec_load(q + i + 8), x;
    x = vec_load(c0 + i);
    s0 = i32x4_add(s0, i32x4_add(i32x4_dot_i16x8(low, i16x8_low_i8x16(x)), i32x4_dot_i16x8(high, i16x8_high_i8x16(x))));
    x = vec_load(c1 + i);
    s1 = i32x4_add(s1, i32x4_add(i32x4_dot_i16x8(low, i16x8_low_i8x16(x)), i32x4_dot_i16x8(high, i16x8_high_i8x16(x))));
    x = vec_load(c2 + i);
    s2 = i32x4_add(s2, i32x4_add(i32x4_dot_i16x8(low, i16x8_low_i8x16(x)), i32x4_dot_i16x8(high, i16x8_high_i8x16(x))));
    x = vec_load(c3 + i);
    s3 = i32x4_add(s3, i32x4_add(i32x4_dot_i16x8(low, i16x8_low_i8x16(x)), i32x4_dot_i16x8(high, i16x8_high_i8x16(x))));
  }
  /* the four sums of lanes as the lanes of one vector */
  vec t0 = i32x4_add(i32x4_zip_low(s0, s1), i32x4_zip_high(s0, s1));
  vec t1 = i32x4_add(i32x4_zip_low(s2, s3), i32x4_zip_high(s2, s3));
  *out = i32x4_add(i64x2_zip_low(t0, t1), i64x2_zip_high(t0, t1));
}

/* dot product of an f32 query and an i8 code, n a multiple of 16, in the order of dot_f32 */
INLINE f32 dot_f32_i8(const f32 *q, const i8 *c, u32 n) {
  vec s0 = f32x4_zero(), s1 = s0, s2 = s0, s3 = s0;
  for (u32 i = 0; i < n; i += 16) {
    vec x = vec_load(c + i), low = i16x8_low_i8x16(x), high = i16x8_high_i8x16(x);
    s0 = f32x4_add(s0, f32x4_mul(vec_load(q + i), f32x4_from_i32x4(i32x4_low_i16x8(low))));
    s1 = f32x4_add(s1, f32x4_mul(vec_load(q + i + 4), f32x4_from_i32x4(i32x4_high_i16x8(low))));
    s2 = f32x4_add(s2, f32x4_mul(vec_load(q + i + 8), f32x4_from_i32x4(i32x4_low_i16x8(high))));
    s3 = f32x4_add(s3, f32x4_mul(vec_load(q + i + 12), f32x4_from_i32x4(i32x4_high_i16x8(high))));
  }
  return sum_lanes(s0, s1, s2, s3);
}

INLINE f32 max_abs(const f32 *x, u32 n) {
  f32 max = 0;
  for (u32 i = 0; i < n; i++) {
    f32 a = __builtin_fabsf(x[i]);
    if (a > max) max = a;
  }
  return max;
}

/* The unit max|x| / limit in which x[dim] becomes whole numbers of at most `limit`, and its inverse. A vector that is
 * zero, or so small that the inverse would overflow, has unit 0 and quantises to zeros. */
INLINE f32 quantise_unit(const f32 *x, u32 dim, f32 limit, f32 *inverse) {
  f32 max = max_abs(x, dim);
  if (max < 1e-30f) return *inverse = 0;
  *inverse = limit / max;
  return max / limit;
}

/* vector -> i8 code: values; returns their unit, the code's scale, and its squared norm, the code's bias under l2 */
static f32 encode_i8(const f32 *x, u32 dim, i8 *values, f32 *squared_norm) {
  f32 inverse;
  f32 scale = quantise_unit(x, dim, 127, &inverse);
  i32 squares = 0;
  for (u32 i = 0; i < dim; i++) {
    i32 v = (i32)__builtin_rintf(x[i] * inverse);
    v = v > 127 ? 127 : v < -127 ? -127 : v;
    values[i] = (i8)v;
    squares += v * v;
  }
  *squared_norm = (f32)squares * (scale * scale);
  return scale;
}

/* The largest whole number that a quantised query may hold: with codes up to 127 no sum over dim passes 2^31. */
INLINE i32 query_limit(u32 dim) {
  u32 limit = 2147483647u / (127 * dim);
  return limit > 32767 ? 32767 : (i32)limit;
}

/* query -> i16 values, returns the unit */
static f32 encode_query(const f32 *x, u32 dim, i16 *values) {
  i32 limit = query_limit(dim);
  f32 inverse;
  f32 unit = quantise_unit(x, dim, (f32)limit, &inverse);
  for (u32 i = 0; i < dim; i++) {
    i32 v = (i32)__builtin_rintf(x[i] * inverse);
    values[i] = (i16)(v > limit ? limit : v < -limit ? -limit : v);
  }
  return unit;
}

#endif
