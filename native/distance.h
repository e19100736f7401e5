/*
 * Distances, smaller is nearer: 1 - q.x for cosine (both of unit length), -q.x for dot, |q - x|^2 for l2. On quantised
 * vectors every one of them is base + bias(x) + multiplier * scale(x) * (q . values(x)), so one kernel serves all
 * metrics: |q - x|^2 = |q|^2 + |x|^2 - 2 q.x, and for unit vectors 1 - q.x = |q - x|^2 / 2. The squared form is used for
 * cosine as well, since its error grows with |q - x| and not with |q|: near neighbours are told apart the better. The
 * idea of quantising per vector and comparing by integer products follows LVQ (Aguerrebere et al., VLDB 2023, section 3).
 *
 * A shard may have a basis: a mean and the `lead` directions in which its vectors vary most. Codes are then of the lead,
 * the directions' components of the vector less the mean, and 64 bytes hold what matters of 128 or 784 dimensions; the
 * idea is LeanVec's (Tepper et al., TMLR 2024, section 2). Without a basis the lead is the vector itself, and the mean
 * zero.
 *
 * An i10 fine level holds what the code leaves: the residual, in 10 bits (the second level of LVQ). The products of the
 * two levels with the query add up, so a vector is compared without being put together. An i4 level does the same in the
 * coordinates of the basis, which then has as many directions as there are dimensions: what is coded has 12 bits in all, the
 * code's 8 and 4 more, and so has the rest, under a scale of its own.
 *
 * A Query is a vector to compare codes with: a caller's vector, quantised finely (encode_query), or a stored node's
 * own code, with which the neighbour selection compares nodes.
 */
#ifndef NP_DISTANCE_H
#define NP_DISTANCE_H

#include "kernels.h"

/* What a quantised query multiplies and adds. */
typedef struct {
  const i16 *values;
  f32 base;
  f32 multiplier;
} Quantised;

typedef struct {
  Quantised lead;    /* i8 codes */
  Quantised fine;    /* i10 residuals, or what an i4 level has beside the code; where codes are all there is, only the
                        base; of a caller's query alone */
  const f32 *vector; /* f32 codes: the vector; of a caller's query always the vector */
} Query;

/* The header's words that a distance needs, read once per search, since the compiler cannot keep them in registers. */
typedef struct {
  u32 blocks_base, block_bytes, shift, mask, code_stride, padded, tail, code, metric, links, m0, dim, rest, fine, fines, fine_stride;
} Shape;

INLINE Shape shape_of_shard(void) {
  Shape s;
  s.blocks_base = H(H_BLOCKS_BASE);
  s.block_bytes = H(H_BLOCK_BYTES);
  s.shift = H(H_BLOCK_SHIFT);
  s.mask = (1u << s.shift) - 1;
  s.code_stride = H(H_CODE_STRIDE);
  s.padded = H(H_PADDED);
  s.tail = H(H_CODE_TAIL);
  s.code = H(H_CODE);
  s.metric = H(H_METRIC);
  s.links = H(H_OFF_LINKS);
  s.m0 = H(H_M0);
  s.dim = H(H_DIM);
  s.rest = s.dim - H(H_CODE_DIM);
  s.fine = H(H_FINE);
  s.fines = H(H_OFF_FINE);
  s.fine_stride = H(H_FINE_STRIDE);
  return s;
}
INLINE u32 code_at(const Shape *s, u32 ordinal) {
  return s->blocks_base + (ordinal >> s->shift) * s->block_bytes + (ordinal & s->mask) * s->code_stride;
}

INLINE u32 fine_at(const Shape *s, u32 ordinal) {
  return s->blocks_base + (ordinal >> s->shift) * s->block_bytes + s->fines + (ordinal & s->mask) * s->fine_stride;
}

INLINE const u32 *links_at(const Shape *s, u32 ordinal) {
  return AT(u32, s->blocks_base + (ordinal >> s->shift) * s->block_bytes + s->links + (ordinal & s->mask) * s->m0 * 4);
}

/* Work of a reader's slot, all of padded dim: the query's values for codes, those of a node that is compared with
 * others, the query's values for the fine level, behind which zeros are read; then in f32 a vector less the mean, its
 * components along the directions, and what the lead leaves of it. */
#define QUERY_VECTOR(reader) SCRATCH(f32, reader, H_S_VECTOR)
#define QUERY_VALUES(reader) SCRATCH(i16, reader, H_S_WORK)
#define NODE_VALUES(reader) (QUERY_VALUES(reader) + round_up(H(H_DIM), 64))
#define FINE_VALUES(reader) (NODE_VALUES(reader) + round_up(H(H_DIM), 64))
#define CENTRED(reader) ((f32 *)(FINE_VALUES(reader) + round_up(H(H_DIM), 64) + 16))
#define LEAD(reader) (CENTRED(reader) + round_up(H(H_DIM), 16))
#define RESIDUAL(reader) (LEAD(reader) + round_up(H(H_DIM), 16))
#define WORK_BYTES(dim) ((round_up(dim, 64) * 3 + 16) * 2 + round_up(dim, 16) * 3 * 4)

/* The directions of the basis: those of the lead, and with an i4 level the others, too. */
INLINE u32 directions(void) { return H(H_LEAD) && H(H_FINE) == NP_FINE_I4 ? H(H_DIM) : H(H_LEAD); }

/* The vector less the mean, zero-padded f32; written to the slot's work where there is a basis. */
static const f32 *centred(u32 reader, const f32 *vector) {
  if (!H(H_LEAD)) return vector;
  f32 *out = CENTRED(reader);
  const f32 *mean = AT(f32, H(H_BASIS));
  for (u32 i = 0; i < round_up(H(H_DIM), 4); i++) out[i] = vector[i] - mean[i];
  return out;
}

/* What codes are made of, f32[code dim], from a centred vector; with an i4 level the components behind it, too. */
static const f32 *lead_of(u32 reader, const f32 *x) {
  u32 padded = round_up(H(H_DIM), 4);
  if (!H(H_LEAD)) return x;
  project(AT(f32, H(H_BASIS)) + padded, x, directions(), padded, LEAD(reader));
  return LEAD(reader);
}

/* Base and bias of a vector are its squared norm, unless products are all that counts. */
INLINE f32 norm_term(u32 metric, f32 squared_norm) { return metric == NP_METRIC_DOT ? 0 : squared_norm; }
INLINE f32 metric_multiplier(u32 metric, f32 unit) { return metric == NP_METRIC_DOT ? -unit : -2 * unit; }

static Quantised quantised(u32 metric, const f32 *x, u32 dim, u32 code_max, i16 *values) {
  f32 squared_norm, unit = encode_query(x, dim, code_max, values, &squared_norm);
  Quantised q = {values, norm_term(metric, squared_norm), metric_multiplier(metric, unit)};
  return q;
}

/* What an i4 level has beside the code, as a query that stands where its components do; the base is that of both. */
static Quantised quantised_rest(const Shape *s, const Quantised *lead, const f32 *components, i16 *values) {
  u32 code_dim = s->dim - s->rest;
  Quantised q = {values, 0, 0};
  if (s->rest) q = quantised(s->metric, components + code_dim, s->rest, I8_MAX, values + code_dim);
  q.values = values;
  q.base += lead->base;
  return q;
}

/* The vector in a reader's scratch (f32, zero-padded) as a Query. */
static Query query_from_vector(const Shape *s, u32 reader) {
  Query q = {{0, 0, 0}, {0, 0, 0}, QUERY_VECTOR(reader)};
  const f32 *x = centred(reader, q.vector);
  if (s->code == NP_CODE_I8) {
    const f32 *components = lead_of(reader, x);
    q.lead = quantised(s->metric, components, H(H_CODE_DIM), I8_MAX, QUERY_VALUES(reader));
    if (s->fine == NP_FINE_I4) q.fine = quantised_rest(s, &q.lead, components, FINE_VALUES(reader));
  }
  if (H(H_FINE) == NP_FINE_I10) q.fine = quantised(s->metric, x, H(H_DIM), I10_MAX, FINE_VALUES(reader));
  if (H(H_FINE) == NP_FINE_NONE) q.fine.base = norm_term(s->metric, dot_f32(x, x, s->padded));
  return q;
}

/* A stored node as a Query. */
INLINE Query query_from_node(const Shape *s, u32 ordinal, i16 *values) {
  u32 code = code_at(s, ordinal);
  Query q = {{values, 0, 0}, {0, 0, 0}, AT(f32, code)};
  if (s->code == NP_CODE_I8) {
    const i8 *from = AT(i8, code);
    for (u32 i = 0; i < s->tail; i++) values[i] = from[i];
    q.lead.base = *AT(f32, code + s->tail + CODE_BIAS);
    q.lead.multiplier = metric_multiplier(s->metric, *AT(f32, code + s->tail + CODE_SCALE));
  }
  return q;
}

INLINE f32 distance_f32(u32 metric, const f32 *a, const f32 *b, u32 n) {
  if (metric == NP_METRIC_L2) return l2_f32(a, b, n);
  f32 dot = dot_f32(a, b, n);
  return (metric == NP_METRIC_COSINE ? 1.0f : 0.0f) - dot;
}

INLINE f32 distance_from_dot(const Quantised *q, const f32 *tail, i32 dot) {
  return q->base + tail[1] + q->multiplier * tail[0] * (f32)dot;
}

INLINE f32 distance_to(const Shape *s, const Query *q, u32 ordinal) {
  u32 code = code_at(s, ordinal);
  if (s->code == NP_CODE_F32) return distance_f32(s->metric, q->vector, AT(f32, code), s->padded);
  return distance_from_dot(&q->lead, AT(f32, code + s->tail), dot_i8(q->lead.values, AT(i8, code), s->padded));
}

/* WebAssembly has no prefetch: a load of each line, all independent, lets the processor fetch them together before the
 * first use waits for one. */
INLINE void touch(const void *from, u32 bytes) {
  for (u32 at = 0; at < bytes; at += 64) (void)*((const volatile u8 *)from + at);
}

/* The most distances that are computed together, and how many of them have their sums in the nearest cache. */
#define TOGETHER_MAX (12 * NP_M_MAX)
#define SUMS 32

/* Distances from q to n i8 codes, distance_from_dot of each, in the same order of operations. Behind the codes and the
 * distances there is room to make n a multiple of 4. */
INLINE void distances_to_codes(const Shape *s, const Query *q, u32 *codes, u32 n, f32 *out) {
  vec sums[SUMS], multiplier = f32x4_splat(q->lead.multiplier), base = f32x4_splat(q->lead.base);
  for (; n % 4; n++) codes[n] = codes[n - 1];
  for (u32 done = 0; done < n; done += SUMS) {
    const u32 *c = codes + done, *end = codes + min_u32(n, done + SUMS);
    dots_i8(q->lead.values, c, (u32)(end - c), s->tail, sums);
    for (const vec *sum = sums; c < end; c += 4, sum += 4, out += 4) {
      vec dots = i32x4_sum_each(sum[0], sum[1], sum[2], sum[3]);
      vec t0 = i64x2_zip_low(vec_load64(AT(u8, c[0] + s->tail)), vec_load64(AT(u8, c[1] + s->tail)));
      vec t1 = i64x2_zip_low(vec_load64(AT(u8, c[2] + s->tail)), vec_load64(AT(u8, c[3] + s->tail)));
      vec scales = f32x4_mul(multiplier, i32x4_evens(t0, t1)), biases = f32x4_add(base, i32x4_odds(t0, t1));
      vec_store(out, f32x4_add(biases, f32x4_mul(scales, f32x4_from_i32x4(dots))));
    }
  }
}

/* Distances from q to n ordinals, at most TOGETHER_MAX, to out[], which has room to make n a multiple of 4. First the
 * addresses, then all lines, then the arithmetic: while a load waits, the processor looks some 500 instructions ahead, so the
 * loads that shall wait together stand together. */
INLINE void distances_to(const Shape *s, const Query *q, const u32 *ordinals, u32 n, f32 *out) {
  u32 codes[TOGETHER_MAX];
  for (u32 i = 0; i < n; i++) codes[i] = code_at(s, ordinals[i]);
  for (u32 at = 0; at < s->code_stride; at += 64) {
#pragma clang loop unroll_count(8)
    for (u32 i = 0; i < n; i++) touch(AT(u8, codes[i] + at), 1);
  }
  if (s->code == NP_CODE_I8) distances_to_codes(s, q, codes, n, out);
  else for (u32 i = 0; i < n; i++) out[i] = distance_f32(s->metric, q->vector, AT(f32, codes[i]), s->padded);
}

/* The lines of an ordinal's fine level, which may begin within one. */
INLINE void touch_fine(const Shape *s, u32 ordinal) {
  u32 from = fine_at(s, ordinal), end = from + s->fine_stride;
  for (u32 at = from & ~63u; at < end; at += 64) (void)*AT(const volatile u8, at);
}

/* What a distance by codes is worth as one by the finest level: under cosine that is half the squared distance. */
INLINE f32 coarse_unit(const Shape *s) { return s->code == NP_CODE_I8 && s->metric == NP_METRIC_COSINE ? 0.5f : 1; }

/* Distance of a caller's vector to a code and the residual that the code leaves. */
INLINE f32 distance_i10(const Shape *s, const Query *q, u32 ordinal) {
  u32 code = code_at(s, ordinal), upper = fine_at(s, ordinal), lower = upper + I10_UPPER_BYTES(s->dim);
  f32 scale = *AT(f32, code + s->tail + CODE_SCALE);
  i32 lead = dot_i8(q->lead.values, AT(i8, code), s->padded);
  i32 rest = dot_i10(q->fine.values, AT(i8, upper), AT(u8, lower), round_up(s->dim, 16));
  f32 distance = distance_from_dot(&q->fine, AT(f32, lower + I10_LOWER_BYTES(s->dim)), rest);
  distance += q->lead.multiplier * scale * (f32)lead;
  /* what is stored is not quite the vector: a copy of it may come out just nearer than itself */
  return s->metric != NP_METRIC_DOT && distance < 0 ? 0 : distance;
}

/* The product of a query with 8 bits of components and 4 further ones. */
INLINE f32 dot_both(i32 upper, i32 further) { return (f32)upper + (f32)further * (1.0f / 16); }

/* Distance of a caller's vector to a code and the i4 level. */
INLINE f32 distance_i4(const Shape *s, const Query *q, u32 ordinal) {
  u32 code = code_at(s, ordinal), rest = fine_at(s, ordinal), plane = rest + round_up(s->rest, 4);
  u32 n = round_up(s->dim, 16), rest_n = round_up(s->rest, 16);
  const i16 *rest_values = q->fine.values + (s->dim - s->rest);
  const f32 *tail = AT(f32, plane + I4_PLANE_BYTES(s->dim));
  f32 lead_dot = dot_both(dot_i8(q->lead.values, AT(i8, code), s->padded), dot_i4(q->lead.values, AT(u8, plane), n));
  f32 distance = q->fine.base + tail[1] + q->lead.multiplier * *AT(f32, code + s->tail + CODE_SCALE) * lead_dot;
  if (s->rest) {
    /* behind the rest the query is zero, whatever is read there */
    f32 rest_dot = dot_both(dot_i8(rest_values, AT(i8, rest), rest_n), dot_i4(q->fine.values, AT(u8, plane), n));
    distance += q->fine.multiplier * tail[0] * rest_dot;
  }
  return s->metric != NP_METRIC_DOT && distance < 0 ? 0 : distance;
}

/* Distance of a caller's vector to an i8 code that is all there is. */
static f32 distance_i8(const Shape *s, const Query *q, u32 ordinal) {
  u32 code = code_at(s, ordinal);
  const f32 *tail = AT(f32, code + s->tail);
  f32 dot = dot_f32_i8(q->vector, AT(i8, code), s->padded) * tail[0];
  return q->fine.base + tail[1] - (s->metric == NP_METRIC_DOT ? dot : 2 * dot);
}

/* Distance of a caller's vector by the finest level that is stored. */
static f32 distance_fine(const Shape *s, const Query *q, u32 ordinal) {
  if (s->fine == NP_FINE_F32)
    return distance_f32(s->metric, q->vector, AT(f32, fine_at(s, ordinal)), round_up(s->dim, 4));
  if (s->code == NP_CODE_F32) return distance_to(s, q, ordinal);
  f32 distance = s->fine == NP_FINE_I4    ? distance_i4(s, q, ordinal)
                 : s->fine == NP_FINE_I10 ? distance_i10(s, q, ordinal)
                                          : distance_i8(s, q, ordinal);
  return distance * coarse_unit(s);
}

#endif
