/* Insertion: Algorithm 1 of Malkov and Yashunin. A node's data are complete before the first link to it is published. */
#ifndef NP_INSERT_H
#define NP_INSERT_H

#include "links.h"
#include "stored.h"
#include "epochs.h"

/* xorshift32 (Marsaglia, 2003); its state is part of the segment, so that a build is the same whenever it runs */
INLINE u32 next_random(void) {
  u32 x = H(H_PRNG);
  x ^= x << 13;
  x ^= x >> 17;
  x ^= x << 5;
  return H(H_PRNG) = x;
}

/* Level l or higher with probability M^-l, which is the paper's floor(-ln(u) / ln(M)). */
static u32 random_level(void) {
  u32 u = next_random(), level = 0;
  for (u32 bound = NP_NONE / H(H_M); u < bound && level < NP_LEVEL_MAX; bound /= H(H_M)) level++;
  return level;
}

/* A free ordinal, a new one when there is none, NP_NONE when the shard is full. */
static u32 take_ordinal(void) {
  release_pending();
  if (H(H_FREE) != NP_NONE) return take_slot(H_FREE, NODE_FREE);
  u32 ordinal = H(H_COUNT);
  if (ordinal >= H(H_BLOCKS) << H(H_BLOCK_SHIFT) && !block_append()) return NP_NONE;
  return ordinal;
}

/* The attribute row, with its keyword lists put on the heap. `input`: row, then for each list its length and codes.
 * Returns the input after it, 0 when the shard is full. */
static const u32 *write_row(u32 ordinal, const u32 *input) {
  u32 words = H(H_ROW_STRIDE) / 4, first = H(H_LISTS_OFFSET), end = first + 4 * H(H_LISTS);
  /* no list at first, so that each is a list of this slot's or none, whatever happens */
  for (u32 i = 0; i < words; i++) *AT(u32, cell_of(ordinal, 4 * i)) = 4 * i >= first && 4 * i < end ? 0 : input[i];
  input += words;
  for (u32 l = 0; l < H(H_LISTS); l++) {
    u32 n = *input, *cell = AT(u32, cell_of(ordinal, first + 4 * l));
    if (n > 0) {
      u32 reference = heap_allocate((n + 1) * 4);
      if (!reference) return 0;
      u32 *record = AT(u32, heap_address(reference));
      for (u32 i = 0; i <= n; i++) record[i] = input[i];
      *cell = reference;
    }
    input += n + 1;
  }
  return input;
}

INLINE void write_tail(u32 at, f32 scale, f32 squared_norm) {
  *AT(f32, at + CODE_SCALE) = scale;
  *AT(f32, at + CODE_BIAS) = norm_term(H(H_METRIC), squared_norm);
}

/* The residual that a code leaves of a centred vector, both at their addresses; its bias is that of both levels. */
static void encode_residual(u32 reader, const f32 *x, u32 code, u32 upper) {
  u32 dim = H(H_DIM), padded = round_up(dim, 4), lower = upper + I10_UPPER_BYTES(dim);
  f32 *coarse = LEAD(reader), *rest = RESIDUAL(reader);
  decode_i8(reader, code, coarse);
  for (u32 i = 0; i < dim; i++) rest[i] = x[i] - coarse[i];
  f32 unit = encode_i10(rest, dim, AT(i8, upper), AT(u8, lower));
  add_i10(coarse, AT(i8, upper), AT(u8, lower), unit, dim, rest);
  for (u32 i = dim; i < padded; i++) rest[i] = 0;
  write_tail(lower + I10_LOWER_BYTES(dim), unit, dot_f32(rest, rest, padded));
}

/* Code and i4 level of components; the bias of the latter is that of both. */
static void encode_levels(u32 reader, const f32 *components, u32 code, u32 fine) {
  u32 dim = H(H_DIM), lead = H(H_CODE_DIM), rest = dim - lead, plane = fine + round_up(rest, 4);
  u32 tail = plane + I4_PLANE_BYTES(dim);
  f32 *held = RESIDUAL(reader), squared_norm;
  for (u32 at = fine; at < tail; at++) *AT(u8, at) = 0;
  f32 scale = encode_i12(components, lead, AT(i8, code), 0, AT(u8, plane), &squared_norm);
  write_tail(code + H(H_CODE_TAIL), scale, squared_norm);
  scale = encode_i12(components + lead, rest, AT(i8, fine), lead, AT(u8, plane), &squared_norm);
  *AT(f32, tail + CODE_SCALE) = scale;
  decode_i4(code, fine, held);
  for (u32 i = dim; i < round_up(dim, 4); i++) held[i] = 0;
  write_tail(tail, scale, dot_f32(held, held, round_up(dim, 4)));
}

/* Code and fine level of the scratch's vector, to two addresses. */
static void encode_vector(u32 reader, u32 code, u32 fine) {
  const f32 *vector = QUERY_VECTOR(reader), *x = centred(reader, vector);
  if (H(H_CODE) == NP_CODE_F32) {
    for (u32 i = 0; i < H(H_PADDED); i++) AT(f32, code)[i] = vector[i];
  } else if (H(H_FINE) == NP_FINE_I4) {
    encode_levels(reader, lead_of(reader, x), code, fine);
  } else {
    f32 squared_norm, scale = encode_i8(lead_of(reader, x), H(H_CODE_DIM), AT(i8, code), &squared_norm);
    write_tail(code + H(H_CODE_TAIL), scale, squared_norm);
  }
  if (H(H_FINE) == NP_FINE_I10) encode_residual(reader, x, code, fine);
  if (H(H_FINE) == NP_FINE_F32)
    for (u32 i = 0; i < H(H_FINE_STRIDE) / 4; i++) AT(f32, fine)[i] = vector[i];
}

/* Everything of a node but its links: from the scratch's vector and input. 0 when the shard is full. */
static u32 write_node(u32 reader, u32 ordinal, u32 level) {
  const u32 *input = write_row(ordinal, SCRATCH(u32, reader, H_S_INPUT));
  if (!input) return 0;
  u32 id_bytes = *input, upper = upper_bytes(level);
  u32 record = heap_allocate(upper + 1 + id_bytes);
  if (!record) return 0;
  u8 *id = AT(u8, heap_address(record) + upper);
  const u8 *from = (const u8 *)(input + 1);
  id[0] = (u8)id_bytes;
  for (u32 i = 0; i < id_bytes; i++) id[i + 1] = from[i];
  NODE_WORD(ordinal, NODE_RECORD) = record;
  NODE_BYTE(ordinal, NODE_LEVEL) = (u8)level;

  encode_vector(reader, code_of(ordinal), fine_of(ordinal));
  return 1;
}

/* Writes the links of a node on one level, from where the search for it starts; returns where to start one level below.
 * The parent, on level 0, links back at once: by then the lists above are written. */
static u32 link_level(const Shape *s, const Query *q, u32 reader, u32 ordinal, u32 level, u32 start) {
  u64 *queue = SCRATCH(u64, reader, H_S_QUEUE);
  u32 found = search_level(s, q, reader, start, level, H(H_EF_CONSTRUCTION), queue);
  u32 nearest = key_ordinal(queue[0]), chosen[2 * NP_M_MAX];
  u32 size = select_neighbours(s, reader, NP_NONE, queue, found, list_first(level), chosen);
  write_list(list_of(ordinal, level), list_max(level), chosen, size);
  if (level == 0) {
    u32 parent = nearest, i = 0;
    while (i < size && NODE_BYTE(chosen[i], NODE_CHILDREN) >= children_max()) i++;
    if (i < size) {
      parent = chosen[i];
    } else {
      for (i = 0; i < found && NODE_BYTE(key_ordinal(queue[i]), NODE_CHILDREN) >= children_max();) i++;
      parent = i < found ? key_ordinal(queue[i]) : with_room(parent);
    }
    attach(s, reader, ordinal, parent);
  }
  return nearest;
}

/* Lets those that a node links to link back. A reader may come by such a link from any level down to the lowest, so
 * none is made before the node's lists on all levels are written. */
static void link_back(const Shape *s, u32 reader, u32 ordinal, u32 level) {
  const u32 *list = list_of(ordinal, level);
  for (u32 i = 0; i < list_max(level) && list[i]; i++) add_link(s, reader, list[i] - 1, ordinal, level);
}

static i32 insert(u32 reader) {
  u32 ordinal = take_ordinal();
  if (ordinal == NP_NONE) return NP_FULL;
  u32 prng = H(H_PRNG), heap_block = H(H_HEAP_BLOCK), heap_used = H(H_HEAP_USED), mark = heap_mark();
  u32 level = random_level(), entry = H(H_ENTRY), top = H(H_MAX_LEVEL);
  if (!write_node(reader, ordinal, level)) {
    give_back(ordinal, mark);
    H(H_PRNG) = prng;
    H(H_HEAP_BLOCK) = heap_block;
    H(H_HEAP_USED) = heap_used;
    return NP_FULL;
  }
  NODE_WORD(ordinal, NODE_PARENT) = NP_NONE;
  NODE_BYTE(ordinal, NODE_CHILDREN) = 0;
  /* once it lives, who looks at a sketch must find its row there */
  note_change(ordinal);
  set_status(ordinal, NODE_LIVE);
  Shape s = shape_of_shard();
  if (entry != NP_NONE) {
    Query q = query_from_node(&s, ordinal, QUERY_VALUES(reader));
    u32 start = descend(&s, &q, entry, top, level, H(H_COUNT));
    u32 levels = min_u32(level, top) + 1;
    for (u32 l = levels; l-- > 0;) start = link_level(&s, &q, reader, ordinal, l, start);
    for (u32 l = 0; l < levels; l++) link_back(&s, reader, ordinal, l);
  }
  /* in this order: never are there as many live ones as ordinals while one of them is not live */
  if (ordinal == H(H_COUNT)) publish(&H(H_COUNT), ordinal + 1);
  publish(&H(H_LIVE), H(H_LIVE) + 1);
  if (entry == NP_NONE || level > top) {
    H(H_MAX_LEVEL) = level;
    publish(&H(H_ENTRY), ordinal);
  }
  note_change(ordinal);
  return (i32)ordinal;
}

#endif
