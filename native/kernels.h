/*
 * The arithmetic: products and squared differences over padded vectors, and the 8-bit quantiser. Each kernel has a
 * naive twin in src/core/oracle.ts that gives the same bits, because the order of the additions is part of its
 * definition: element i goes to accumulator (i / 4) % 4, lane i % 4; then (a0 + a1) + (a2 + a3), then
 * (l0 + l1) + (l2 + l3). No fused multiply-add.
 *
 * f32 vectors are padded with zeros to a multiple of 4 elements, codes to a multiple of 16, quantised queries to one of 64.
 */
#ifndef NP_KERNELS_H
#define NP_KERNELS_H

#include "simd.h"

#define I8_MAX 127
#define I10_MAX 511
/* Value i of a vector has its lower bits in this byte of their plane, at this shift: 16 values side by side as those of
 * the upper plane are, so that one vector of 16 bytes serves 64 values. */
#define I10_LOWER(i) ((i) / 64 * 16 + (i) % 16)
#define I10_SHIFT(i) ((i) % 64 / 16 * 2)
#define I10_UPPER_BYTES(dim) round_up(dim, 16)
#define I10_LOWER_BYTES(dim) (round_up(dim, 64) / 4)
#define I10_BYTES(dim) (I10_UPPER_BYTES(dim) + I10_LOWER_BYTES(dim) + CODE_TAIL_BYTES)
/* The further bits of component i stand in this byte, at this shift: of 16 components 8 in the lower halves of 8 bytes and 8
 * in the upper ones. */
#define I4_BYTE(i) ((i) / 16 * 8 + (i) % 8)
#define I4_SHIFT(i) ((i) % 16 / 8 * 4)
#define I4_PLANE_BYTES(dim) (round_up(dim, 16) / 2)
#define I4_BYTES(dim, rest) (round_up(rest, 4) + I4_PLANE_BYTES(dim) + CODE_TAIL_BYTES)

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

/* Adds to each of n sums a vector whose lanes add up to the product of 8 * vectors values (56 or 64) with those at
 * `offset` of a code; the first time it is put there instead. The query stays in registers while all codes pass, and of
 * what is loaded nothing has to be kept. */
INLINE void dots_of_line(const i16 *q, const u32 *codes, u32 n, u32 offset, u32 vectors, u32 first, vec *sums) {
  vec q0 = vec_load(q), q1 = vec_load(q + 8), q2 = vec_load(q + 16), q3 = vec_load(q + 24);
  vec q4 = vec_load(q + 32), q5 = vec_load(q + 40), q6 = vec_load(q + 48), q7 = vec_load(q + 56);
  for (u32 i = 0; i < n; i++) {
    const i8 *c = AT(i8, codes[i] + offset);
    vec s0 = i32x4_dot_i16x8(q0, i16x8_load_i8x8(c)), s1 = i32x4_dot_i16x8(q1, i16x8_load_i8x8(c + 8));
    vec s2 = i32x4_dot_i16x8(q2, i16x8_load_i8x8(c + 16)), s3 = i32x4_dot_i16x8(q3, i16x8_load_i8x8(c + 24));
    vec s4 = i32x4_dot_i16x8(q4, i16x8_load_i8x8(c + 32)), s5 = i32x4_dot_i16x8(q5, i16x8_load_i8x8(c + 40));
    vec s6 = i32x4_dot_i16x8(q6, i16x8_load_i8x8(c + 48));
    if (vectors == 8) s6 = i32x4_add(s6, i32x4_dot_i16x8(q7, i16x8_load_i8x8(c + 56)));
    if (!first) s5 = i32x4_add(s5, vec_load(sums + i));
    vec_store(sums + i, i32x4_add(i32x4_add(i32x4_add(s0, s1), i32x4_add(s2, s3)), i32x4_add(i32x4_add(s4, s5), s6)));
  }
}

/* The products of i16[length] with the i8 values at n addresses, each as a vector whose lanes add up to it; exact, as
 * dot_i8 is. The query is zero from `length` to the next multiple of 64, and so many values may be read. */
INLINE void dots_i8(const i16 *q, const u32 *codes, u32 n, u32 length, vec *sums) {
  if (length == 56) {
    /* the lead of one line, whose rest is no value */
    dots_of_line(q, codes, n, 0, 7, 1, sums);
    return;
  }
  dots_of_line(q, codes, n, 0, 8, 1, sums);
  for (u32 at = 64; at < length; at += 64) dots_of_line(q + at, codes, n, at, 8, 0, sums);
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
  vec m0 = f32x4_zero(), m1 = m0, m2 = m0, m3 = m0;
  u32 i = 0;
  for (; i + 16 <= n; i += 16) {
    m0 = f32x4_max(m0, f32x4_abs(vec_load(x + i)));
    m1 = f32x4_max(m1, f32x4_abs(vec_load(x + i + 4)));
    m2 = f32x4_max(m2, f32x4_abs(vec_load(x + i + 8)));
    m3 = f32x4_max(m3, f32x4_abs(vec_load(x + i + 12)));
  }
  for (; i + 4 <= n; i += 4) m0 = f32x4_max(m0, f32x4_abs(vec_load(x + i)));
  f32 lanes[4];
  vec_store(lanes, f32x4_max(f32x4_max(m0, m1), f32x4_max(m2, m3)));
  for (u32 l = 1; l < 4; l++) lanes[0] = lanes[l] > lanes[0] ? lanes[l] : lanes[0];
  for (; i < n; i++) {
    f32 a = __builtin_fabsf(x[i]);
    if (a > lanes[0]) lanes[0] = a;
  }
  return lanes[0];
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
  f32 scale = quantise_unit(x, dim, I8_MAX, &inverse);
  i32 squares = 0;
  for (u32 i = 0; i < dim; i++) {
    i32 v = (i32)__builtin_rintf(x[i] * inverse);
    v = v > I8_MAX ? I8_MAX : v < -I8_MAX ? -I8_MAX : v;
    values[i] = (i8)v;
    squares += v * v;
  }
  *squared_norm = (f32)squares * (scale * scale);
  return scale;
}

/* vector -> 10-bit values in two planes, upper 8 bits and lower 2 (layout.h); returns their unit */
static f32 encode_i10(const f32 *x, u32 dim, i8 *upper, u8 *lower) {
  f32 inverse;
  f32 scale = quantise_unit(x, dim, I10_MAX, &inverse);
  for (u32 i = 0; i < round_up(dim, 64) / 4; i++) lower[i] = 0;
  for (u32 i = 0; i < dim; i++) {
    i32 v = (i32)__builtin_rintf(x[i] * inverse);
    v = v > I10_MAX ? I10_MAX : v < -I10_MAX ? -I10_MAX : v;
    upper[i] = (i8)(v >> 2);
    lower[I10_LOWER(i)] |= (u8)((v & 3) << I10_SHIFT(i));
  }
  return scale;
}

/* The 16 values from i on, a multiple of 16, of two planes; `bits` goes from one call to the next. */
INLINE void i10_values(const i8 *upper, const u8 *lower, u32 i, vec *bits, vec *low, vec *high) {
  *bits = i % 64 == 0 ? vec_load(lower + i / 4) : u8x16_shift_2(*bits);
  vec u = vec_load(upper + i), l = u8x16_low_bits(*bits);
  *low = i16x8_quadruple_add(i16x8_low_i8x16(u), i16x8_low_i8x16(l));
  *high = i16x8_quadruple_add(i16x8_high_i8x16(u), i16x8_high_i8x16(l));
}

/* dot product of i16[n] and 10-bit values, n a multiple of 16; exact, as dot_i8 is */
INLINE i32 dot_i10(const i16 *q, const i8 *upper, const u8 *lower, u32 n) {
  vec s = i32x4_zero(), t = s, bits = s, low, high;
  for (u32 i = 0; i < n; i += 16) {
    i10_values(upper, lower, i, &bits, &low, &high);
    s = i32x4_add(s, i32x4_dot_i16x8(vec_load(q + i), low));
    t = i32x4_add(t, i32x4_dot_i16x8(vec_load(q + i + 8), high));
  }
  return sum_i32(i32x4_add(s, t));
}

/* n components -> an i8 code and 4 further bits of each, these to the places from `first` on of a plane that is zero there: a
 * component is nearly unit * (value + bits / 16). Returns the unit, and the squared norm of the code. */
static f32 encode_i12(const f32 *x, u32 n, i8 *values, u32 first, u8 *plane, f32 *squared_norm) {
  f32 inverse;
  f32 unit = quantise_unit(x, n, I8_MAX, &inverse);
  i32 squares = 0;
  for (u32 i = 0; i < n; i++) {
    i32 v = (i32)__builtin_rintf(x[i] * inverse * 16);
    v = v > 16 * I8_MAX ? 16 * I8_MAX : v < -16 * I8_MAX ? -16 * I8_MAX : v;
    i32 upper = (v + 8) >> 4; /* to the nearest, so that the code by itself is as good as one without further bits */
    values[i] = (i8)upper;
    squares += upper * upper;
    plane[I4_BYTE(first + i)] |= (u8)(((v - 16 * upper) & 15) << I4_SHIFT(first + i));
  }
  *squared_norm = (f32)squares * (unit * unit);
  return unit;
}

/* The further bits of component i. */
INLINE i32 i4_at(const u8 *plane, u32 i) { return (i8)(plane[I4_BYTE(i)] >> I4_SHIFT(i) << 4) >> 4; }

/* dot product of i16[n] and 4-bit values, n a multiple of 16; exact, as dot_i8 is */
INLINE i32 dot_i4(const i16 *q, const u8 *plane, u32 n) {
  vec s = i32x4_zero(), t = s;
  for (u32 i = 0; i < n; i += 16) {
    vec x = i16x8_load_i8x8((const i8 *)plane + i / 2);
    s = i32x4_add(s, i32x4_dot_i16x8(vec_load(q + i), i16x8_low_i4(x)));
    t = i32x4_add(t, i32x4_dot_i16x8(vec_load(q + i + 8), i16x8_shift_4(x)));
  }
  return sum_i32(i32x4_add(s, t));
}

/* The largest whole number that a quantised query may hold: with codes up to `code_max` no sum over dim passes 2^31. */
INLINE i32 query_limit(u32 dim, u32 code_max) {
  u32 limit = 2147483647u / (code_max * dim);
  return limit > 32767 ? 32767 : (i32)limit;
}

/* Added to an f32 of less than 2^22 this leaves no bits behind the point, rounded to nearest, ties to even, and the whole
 * number is the difference of the bits: one addition and one subtraction, where truncating costs eight instructions. */
#define ROUNDER 12582912.0f
#define ROUNDER_BITS 0x4b400000

/* query -> i16 values for codes up to `code_max`; returns the unit, and the squared norm of the quantised query */
static f32 encode_query(const f32 *x, u32 dim, u32 code_max, i16 *values, f32 *squared_norm) {
  i32 limit = query_limit(dim, code_max);
  f32 inverse;
  f32 unit = quantise_unit(x, dim, (f32)limit, &inverse);
  vec most = i32x4_splat(limit), least = i32x4_splat(-limit), times = f32x4_splat(inverse), sum = i64x2_zero();
  vec rounder = f32x4_splat(ROUNDER), bits = i32x4_splat(ROUNDER_BITS);
  u32 i = 0;
  for (; i + 8 <= dim; i += 8) {
    vec low = i32x4_sub(f32x4_add(f32x4_mul(vec_load(x + i), times), rounder), bits);
    vec high = i32x4_sub(f32x4_add(f32x4_mul(vec_load(x + i + 4), times), rounder), bits);
    low = i32x4_max(i32x4_min(low, most), least);
    high = i32x4_max(i32x4_min(high, most), least);
    vec v = i16x8_narrow_i32x4(low, high), squares = i32x4_dot_i16x8(v, v);
    vec_store(values + i, v);
    sum = i64x2_add(sum, i64x2_add(i64x2_low_u32x4(squares), i64x2_high_u32x4(squares)));
  }
  i64 squares = i64x2_lane(sum, 0) + i64x2_lane(sum, 1);
  for (; i < dim; i++) {
    i32 v = (i32)__builtin_rintf(x[i] * inverse);
    v = v > limit ? limit : v < -limit ? -limit : v;
    values[i] = (i16)v;
    squares += v * v;
  }
  *squared_norm = (f32)squares * (unit * unit);
  return unit;
}

/* The lead of a vector: out[l] = direction l . x, for `lead` directions f32[n], n a multiple of 4 */
static void project(const f32 *directions, const f32 *x, u32 lead, u32 n, f32 *out) {
  for (u32 l = 0; l < lead; l++) out[l] = dot_f32(directions + l * n, x, n);
}

/* What a lead stands for, f32[n]: the sum of y[l] * direction l, in the order of l; so many values at a time that their
 * sums stay in registers. */
static void expand(const f32 *directions, const f32 *y, u32 lead, u32 n, f32 *out) {
  u32 i = 0;
  for (; i + 32 <= n; i += 32) {
    vec s0 = f32x4_zero(), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
    for (u32 l = 0; l < lead; l++) {
      const f32 *d = directions + l * n + i;
      vec times = f32x4_splat(y[l]);
      s0 = f32x4_add(s0, f32x4_mul(times, vec_load(d)));
      s1 = f32x4_add(s1, f32x4_mul(times, vec_load(d + 4)));
      s2 = f32x4_add(s2, f32x4_mul(times, vec_load(d + 8)));
      s3 = f32x4_add(s3, f32x4_mul(times, vec_load(d + 12)));
      s4 = f32x4_add(s4, f32x4_mul(times, vec_load(d + 16)));
      s5 = f32x4_add(s5, f32x4_mul(times, vec_load(d + 20)));
      s6 = f32x4_add(s6, f32x4_mul(times, vec_load(d + 24)));
      s7 = f32x4_add(s7, f32x4_mul(times, vec_load(d + 28)));
    }
    vec_store(out + i, s0);
    vec_store(out + i + 4, s1);
    vec_store(out + i + 8, s2);
    vec_store(out + i + 12, s3);
    vec_store(out + i + 16, s4);
    vec_store(out + i + 20, s5);
    vec_store(out + i + 24, s6);
    vec_store(out + i + 28, s7);
  }
  for (; i < n; i += 4) {
    vec s = f32x4_zero();
    for (u32 l = 0; l < lead; l++)
      s = f32x4_add(s, f32x4_mul(f32x4_splat(y[l]), vec_load(directions + l * n + i)));
    vec_store(out + i, s);
  }
}

/* out[i] = coarse[i] + unit * value i of two planes, i below n; what follows, up to a multiple of 16, is overwritten */
static void add_i10(const f32 *coarse, const i8 *upper, const u8 *lower, f32 unit, u32 n, f32 *out) {
  vec y = f32x4_splat(unit), bits = f32x4_zero(), low, high;
  for (u32 i = 0; i < n; i += 16) {
    i10_values(upper, lower, i, &bits, &low, &high);
    vec v0 = f32x4_from_i32x4(i32x4_low_i16x8(low)), v1 = f32x4_from_i32x4(i32x4_high_i16x8(low));
    vec v2 = f32x4_from_i32x4(i32x4_low_i16x8(high)), v3 = f32x4_from_i32x4(i32x4_high_i16x8(high));
    vec_store(out + i, f32x4_add(vec_load(coarse + i), f32x4_mul(y, v0)));
    vec_store(out + i + 4, f32x4_add(vec_load(coarse + i + 4), f32x4_mul(y, v1)));
    vec_store(out + i + 8, f32x4_add(vec_load(coarse + i + 8), f32x4_mul(y, v2)));
    vec_store(out + i + 12, f32x4_add(vec_load(coarse + i + 12), f32x4_mul(y, v3)));
  }
}

#endif
