/* What is stored of a vector, put together again; surfaces read hundreds of vectors for a request. */
#ifndef NP_STORED_H
#define NP_STORED_H

#include "distance.h"

/* What an i8 code stands for, f32[dim]: under a basis still less the mean. Up to a multiple of 4 may be written; uses the
 * reader's RESIDUAL. */
static void decode_i8(u32 reader, u32 code, f32 *out) {
  u32 padded = round_up(H(H_DIM), 4);
  const i8 *values = AT(i8, code);
  f32 scale = *AT(f32, code + H(H_CODE_TAIL) + CODE_SCALE), *components = H(H_LEAD) ? RESIDUAL(reader) : out;
  for (u32 l = 0; l < H(H_CODE_DIM); l++) components[l] = scale * (f32)values[l];
  if (H(H_LEAD)) expand(AT(f32, H(H_BASIS)) + padded, components, H(H_LEAD), padded, out);
}

/* The components, f32[dim], that a code and an i4 level stand for: along the directions where there is a basis. */
static void decode_i4(u32 code, u32 fine, f32 *out) {
  u32 dim = H(H_DIM), lead = H(H_CODE_DIM), plane = fine + round_up(dim - lead, 4);
  f32 unit = *AT(f32, code + H(H_CODE_TAIL) + CODE_SCALE) / 16;
  for (u32 i = 0; i < lead; i++) out[i] = unit * (f32)(16 * AT(i8, code)[i] + i4_at(AT(u8, plane), i));
  unit = *AT(f32, plane + I4_PLANE_BYTES(dim) + CODE_SCALE) / 16;
  for (u32 i = lead; i < dim; i++) out[i] = unit * (f32)(16 * AT(i8, fine)[i - lead] + i4_at(AT(u8, plane), i));
}

/* The vector of an ordinal by the finest level, zero-padded, to the reader's scratch. */
static void read_vector(u32 reader, u32 ordinal) {
  u32 dim = H(H_DIM), padded = round_up(dim, 4), code = code_of(ordinal), fine = fine_of(ordinal);
  f32 *out = QUERY_VECTOR(reader);
  if (H(H_FINE) == NP_FINE_F32 || H(H_CODE) == NP_CODE_F32) {
    const f32 *held = AT(f32, H(H_FINE) == NP_FINE_F32 ? fine : code);
    for (u32 i = 0; i < padded; i += 4) vec_store(out + i, vec_load(held + i));
    return;
  }
  if (H(H_FINE) == NP_FINE_I4) {
    f32 *components = H(H_LEAD) ? LEAD(reader) : out;
    decode_i4(code, fine, components);
    if (H(H_LEAD)) expand(AT(f32, H(H_BASIS)) + padded, components, dim, padded, out);
  } else {
    decode_i8(reader, code, out);
  }
  if (H(H_FINE) == NP_FINE_I10) {
    u32 lower = fine + I10_UPPER_BYTES(dim);
    add_i10(out, AT(i8, fine), AT(u8, lower), *AT(f32, lower + I10_LOWER_BYTES(dim) + CODE_SCALE), dim, out);
  }
  const f32 *mean = AT(f32, H(H_BASIS));
  if (H(H_LEAD)) for (u32 i = 0; i < dim; i++) out[i] += mean[i];
  for (u32 i = dim; i < round_up(dim, 16); i++) out[i] = 0;
}

#endif
