/*
 * Addresses. A shard's memory is addressed by u32 everywhere, also in the native build that the sanitizers run, where
 * np_memory points at a buffer; in WebAssembly it is the linear memory itself. Nothing here owns state: C has no
 * globals at all, because they would lie in the shared memory and be common to all threads.
 */
#ifndef NP_MEMORY_H
#define NP_MEMORY_H

#include "layout.h"
#include <stdint.h>

typedef uint8_t u8;
typedef int8_t i8;
typedef int16_t i16;
typedef uint16_t u16;
typedef uint32_t u32;
typedef int32_t i32;
typedef uint64_t u64;
typedef int64_t i64;
typedef float f32;
typedef double f64;

#ifdef __wasm__
#define AT(type, address) ((type *)(uintptr_t)(u32)(address))
#define EXPORT(name) __attribute__((export_name(#name))) name
static inline u32 memory_pages(void) { return (u32)__builtin_wasm_memory_size(0); }
static inline u32 memory_grow(u32 pages) { return (u32)__builtin_wasm_memory_grow(0, pages); }
#else
extern u8 *np_memory;
u32 memory_pages(void);
u32 memory_grow(u32 pages);
#define AT(type, address) ((type *)(np_memory + (u32)(address)))
#define EXPORT(name) name
#endif

#define INLINE static inline __attribute__((always_inline))

/* header word `w`, as u32 or f32 */
#define H(w) (*AT(u32, NP_HEADER + 4 * (w)))
#define HF(w) (*AT(f32, NP_HEADER + 4 * (w)))

/* Publishing: a word that readers follow is stored and loaded atomically. */
INLINE u32 load(const u32 *p) { return __atomic_load_n(p, __ATOMIC_RELAXED); }
INLINE void publish(u32 *p, u32 value) { __atomic_store_n(p, value, __ATOMIC_RELEASE); }
/* The same without an atomic load, for which V8 checks the alignment each time; a whole aligned word it is all the same. */
INLINE u32 plain(const u32 *word) { return *(const volatile u32 *)word; }

INLINE u32 min_u32(u32 a, u32 b) { return a < b ? a : b; }
INLINE u32 max_u32(u32 a, u32 b) { return a > b ? a : b; }
INLINE u32 round_up(u32 value, u32 to) { return (value + to - 1) / to * to; }

/* Where the parts of an ordinal lie. */
INLINE u32 block_of(u32 ordinal) { return H(H_BLOCKS_BASE) + (ordinal >> H(H_BLOCK_SHIFT)) * H(H_BLOCK_BYTES); }
INLINE u32 slot_of(u32 ordinal) { return ordinal & ((1u << H(H_BLOCK_SHIFT)) - 1); }
INLINE u32 code_of(u32 ordinal) { return block_of(ordinal) + slot_of(ordinal) * H(H_CODE_STRIDE); }
INLINE u32 *links_of(u32 ordinal) {
  return AT(u32, block_of(ordinal) + H(H_OFF_LINKS) + slot_of(ordinal) * H(H_M0) * 4);
}
INLINE u32 node_of(u32 ordinal) { return block_of(ordinal) + H(H_OFF_NODES) + slot_of(ordinal) * NP_NODE_BYTES; }
/* The cell at `offset` of an ordinal's attribute row. Rows are cut into 8 bytes each, and those of a block's slots stand
 * together: a filter passes over the columns that it asks for, not over whole rows. */
INLINE u32 cell_of(u32 ordinal, u32 offset) {
  u32 column = block_of(ordinal) + H(H_OFF_ROWS) + ((offset & ~7u) << H(H_BLOCK_SHIFT));
  return column + slot_of(ordinal) * NP_CELL_STRIDE + (offset & 7);
}
INLINE u32 fine_of(u32 ordinal) { return block_of(ordinal) + H(H_OFF_FINE) + slot_of(ordinal) * H(H_FINE_STRIDE); }
#define NODE_WORD(ordinal, field) (*AT(u32, node_of(ordinal) + (field)))
#define NODE_BYTE(ordinal, field) (*AT(u8, node_of(ordinal) + (field)))

INLINE u32 is_live(u32 ordinal) { return NODE_BYTE(ordinal, NODE_STATUS) == NODE_LIVE; }
INLINE void set_status(u32 ordinal, u8 status) {
  __atomic_store_n(&NODE_BYTE(ordinal, NODE_STATUS), status, __ATOMIC_RELEASE);
}

/* Bytes of a node's lists from level 1 up to `level`: its record begins with them, its id follows. */
INLINE u32 upper_bytes(u32 level) { return level * H(H_M) * 4; }
/* The list of `ordinal` on `level`, and how long it may be. The ordinal must have that level. */
INLINE u32 *list_of(u32 ordinal, u32 level) {
  if (level == 0) return links_of(ordinal);
  return AT(u32, H(H_BLOCKS_BASE) + load(&NODE_WORD(ordinal, NODE_RECORD)) + upper_bytes(level - 1));
}
INLINE u32 list_max(u32 level) { return level == 0 ? H(H_M0) : H(H_M); }

/* Scratch of a reader slot. */
INLINE u32 scratch_of(u32 reader) { return NP_SCRATCH_BASE + reader * H(H_SCRATCH_STRIDE); }
#define SCRATCH(type, reader, word) AT(type, scratch_of(reader) + H(word))
#define S(reader, w) (*AT(u32, scratch_of(reader) + NP_SEARCH_STATE + 4 * (w)))

/* Bitmaps over ordinals. */
INLINE u32 bit_get(const u32 *bits, u32 i) { return bits[i >> 5] >> (i & 31) & 1; }
INLINE void bit_set(u32 *bits, u32 i) { bits[i >> 5] |= 1u << (i & 31); }
/* A loop, since memory.fill is a call in V8 and most of what is cleared here is small. */
INLINE void words_clear(u32 *words, u32 n) {
  for (u32 i = 0; i < n; i++) words[i] = 0;
}

#endif
