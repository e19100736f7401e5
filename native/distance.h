/*
 * Distances, smaller is nearer: 1 - q.x for cosine (both of unit length), -q.x for dot, |q - x|^2 for l2. Every one of
 * them is base + bias(x) + multiplier * scale(x) * (q . values(x)) on i8 codes, so one kernel serves all metrics:
 * |q - x|^2 = |q|^2 + |x|^2 - 2 q.x. The idea of quantising per vector and comparing by integer products follows LVQ
 * (Aguerrebere et al., VLDB 2023, section 3).
 *
 * A Query is a vector to compare codes with: a caller's vector, quantised finely (encode_query), or a stored node's
 * own code, with which the neighbour selection compares nodes.
 */
#ifndef NP_DISTANCE_H
#define NP_DISTANCE_H

#include "kernels.h"

typedef struct {
  const f32 *vector; /* f32 codes: the vector; of a caller's query always the vector */
  const i16 *values; /* i8 codes */
  f32 base;
  f32 multiplier;
} Query;

/* The header's words that a distance needs, read once per search, since the compiler cannot keep them in registers. */
typedef struct {
  u32 blocks_base, block_bytes, shift, mask, code_stride, padded, code, metric, links, m0;
} Shape;

INLINE Shape shape_of_shard(void) {
  Shape s;
  s.blocks_base = H(H_BLOCKS_BASE);
  s.block_bytes = H(H_BLOCK_BYTES);
  s.shift = H(H_BLOCK_SHIFT);
  s.mask = (1u << s.shift) - 1;
  s.code_stride = H(H_CODE_STRIDE);
  s.padded = H(H_PADDED);
  s.code = H(H_CODE);
  s.metric = H(H_METRIC);
  s.links = H(H_OFF_LINKS);
  s.m0 = H(H_M0);
  return s;
}
INLINE u32 code_at(const Shape *s, u32 ordinal) {
  return s->blocks_base + (ordinal >> s->shift) * s->block_bytes + (ordinal & s->mask) * s->code_stride;
}

INLINE const u32 *links_at(const Shape *s, u32 ordinal) {
  return AT(u32, s->blocks_base + (ordinal >> s->shift) * s->block_bytes + s->links + (ordinal & s->mask) * s->m0 * 4);
}

INLINE f32 metric_base(u32 metric, f32 squared_norm) {
  return metric == NP_METRIC_COSINE ? 1 : metric == NP_METRIC_L2 ? squared_norm : 0;
}
INLINE f32 metric_multiplier(u32 metric, f32 unit) { return metric == NP_METRIC_L2 ? -2 * unit : -unit; }

/* A caller's vector (zero-padded f32) as a Query; `values` is room for the quantised query. */
static Query query_from_vector(const Shape *s, const f32 *vector, i16 *values) {
  u32 dim = H(H_DIM);
  Query q = {vector, values, 0, 0};
  if (s->code == NP_CODE_I8) {
    q.base = metric_base(s->metric, s->metric == NP_METRIC_L2 ? dot_f32(vector, vector, s->padded) : 0);
    q.multiplier = metric_multiplier(s->metric, encode_query(vector, dim, values));
  }
  return q;
}

/* A stored node as a Query. */
INLINE Query query_from_node(const Shape *s, u32 ordinal, i16 *values) {
  u32 code = code_at(s, ordinal);
  Query q = {AT(f32, code), values, 0, 0};
  if (s->code == NP_CODE_I8) {
    const i8 *from = AT(i8, code);
    for (u32 i = 0; i < s->padded; i++) values[i] = from[i];
    q.base = metric_base(s->metric, *AT(f32, code + s->padded + CODE_BIAS));
    q.multiplier = metric_multiplier(s->metric, *AT(f32, code + s->padded + CODE_SCALE));
  }
  return q;
}

INLINE f32 distance_f32(u32 metric, const f32 *a, const f32 *b, u32 n) {
  if (metric == NP_METRIC_L2) return l2_f32(a, b, n);
  f32 dot = dot_f32(a, b, n);
  return (metric == NP_METRIC_COSINE ? 1.0f : 0.0f) - dot;
}

INLINE f32 distance_from_dot(const Shape *s, const Query *q, u32 code, i32 dot) {
  const f32 *tail = AT(f32, code + s->padded);
  return q->base + tail[1] + q->multiplier * tail[0] * (f32)dot;
}

INLINE f32 distance_to(const Shape *s, const Query *q, u32 ordinal) {
  u32 code = code_at(s, ordinal);
  if (s->code == NP_CODE_F32) return distance_f32(s->metric, q->vector, AT(f32, code), s->padded);
  return distance_from_dot(s, q, code, dot_i8(q->values, AT(i8, code), s->padded));
}

/* Distances from q to n ordinals. Four codes share a pass over the query. */
INLINE void distances_to(const Shape *s, const Query *q, const u32 *ordinals, u32 n, f32 *out) {
  u32 i = 0;
  if (s->code == NP_CODE_I8) {
    for (; i + 4 <= n; i += 4) {
      u32 c0 = code_at(s, ordinals[i]), c1 = code_at(s, ordinals[i + 1]);
      u32 c2 = code_at(s, ordinals[i + 2]), c3 = code_at(s, ordinals[i + 3]);
      vec dots; /* and then distance_from_dot of each, in the same order of operations */
      dot4_i8(q->values, AT(i8, c0), AT(i8, c1), AT(i8, c2), AT(i8, c3), s->padded, &dots);
      vec t0 = i64x2_zip_low(vec_load64(AT(u8, c0 + s->padded)), vec_load64(AT(u8, c1 + s->padded)));
      vec t1 = i64x2_zip_low(vec_load64(AT(u8, c2 + s->padded)), vec_load64(AT(u8, c3 + s->padded)));
      vec scales = f32x4_mul(f32x4_splat(q->multiplier), i32x4_evens(t0, t1));
      vec biases = f32x4_add(f32x4_splat(q->base), i32x4_odds(t0, t1));
      vec_store(out + i, f32x4_add(biases, f32x4_mul(scales, f32x4_from_i32x4(dots))));
    }
  }
  for (; i < n; i++) out[i] = distance_to(s, q, ordinals[i]);
}

/* WebAssembly has no prefetch: a load of each line, all independent, lets the processor fetch them together before the
 * first use waits for one. */
INLINE void touch(const void *from, u32 bytes) {
  for (u32 at = 0; at < bytes; at += 64) (void)*((const volatile u8 *)from + at);
}
INLINE void touch_codes(const Shape *s, const u32 *ordinals, u32 n) {
  for (u32 i = 0; i < n; i++) touch(AT(u8, code_at(s, ordinals[i])), s->code_stride);
}

/* Distance of a caller's vector by the finest level that is stored. */
static f32 distance_fine(const Shape *s, const Query *q, u32 ordinal) {
  if (H(H_FINE) == NP_FINE_F32) return distance_f32(s->metric, q->vector, AT(f32, fine_of(ordinal)), H(H_FINE_STRIDE) / 4);
  if (s->code == NP_CODE_F32) return distance_to(s, q, ordinal);
  u32 code = code_at(s, ordinal);
  const f32 *tail = AT(f32, code + s->padded);
  f32 dot = dot_f32_i8(q->vector, AT(i8, code), s->padded) * tail[0];
  if (s->metric == NP_METRIC_L2) return q->base + tail[1] - 2 * dot;
  return q->base - dot;
}

#endif
