/*
 * The core built for this machine, so that AddressSanitizer and UndefinedBehaviorSanitizer watch it: random pins are
 * inserted, removed and searched for in several configs, beside a plain model of what the shard must hold.
 *
 *     native_test [seed [steps]]    random work, in every config
 *     native_test [seed [images]]   built with NP_FUZZ: damaged memory images, of which only an orderly end is asked
 *
 * sanitize.mjs builds and runs both. The shard's memory is a buffer whose pages beyond what was grown, whose unused
 * gaps and whose stacks (the native build has its own) are poisoned.
 */
#define _GNU_SOURCE
#include "core.c"
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sanitizer/asan_interface.h>

#define LIMIT_PAGES 1024
#define READERS 3
#define DIM_MAX 4096
#define SLOTS_MAX 4096
#define KEYWORDS 6

u8 *np_memory;
static u32 pages;

u32 memory_pages(void) { return pages; }
u32 memory_grow(u32 more) {
  u32 before = pages;
  if (more > LIMIT_PAGES - pages) return NP_NONE;
#ifndef NP_FUZZ
  ASAN_UNPOISON_MEMORY_REGION(np_memory + (size_t)pages * NP_PAGE, (size_t)more * NP_PAGE);
#endif
  if (mprotect(np_memory + (size_t)pages * NP_PAGE, (size_t)more * NP_PAGE, PROT_READ | PROT_WRITE)) abort();
  pages += more;
  return before;
}

static u64 random_state;
static u32 random_u32(void) { /* xorshift64* (Vigna, 2016) */
  random_state ^= random_state >> 12;
  random_state ^= random_state << 25;
  random_state ^= random_state >> 27;
  return (u32)(random_state * 2685821657736338717u >> 32);
}
static u32 below(u32 n) { return (u32)((u64)random_u32() * n >> 32); }
static f32 uniform(void) { return (f32)random_u32() / 2147483648.0f - 1; }

static const char *doing = "";
static void fail(const char *what, f64 a, f64 b) {
  fprintf(stderr, "native_test: %s: %s (%.9g, %.9g)\n", doing, what, a, b);
  exit(1);
}

/* ---- a shard, and the model of what it holds ---- */

typedef struct {
  u32 dim, metric, code, fine, m, ef, shift, heap, row, lists_offset, lists, blocks_limit, prefill, lead;
} Config;

static const Config CONFIGS[] = {
  {2, NP_METRIC_L2, NP_CODE_F32, NP_FINE_NONE, 4, 20, 4, 1024, 0, 0, 0, 40, 0, 0},
  {3, NP_METRIC_L2, NP_CODE_I8, NP_FINE_F32, 4, 30, 4, 1536, 24, 12, 2, 40, 0, 0},
  {7, NP_METRIC_COSINE, NP_CODE_I8, NP_FINE_NONE, 5, 30, 5, 4096, 24, 12, 2, 12, 0, 0},
  {17, NP_METRIC_COSINE, NP_CODE_I8, NP_FINE_F32, 8, 40, 6, 8192, 24, 12, 2, 8, 0, 0},
  {100, NP_METRIC_DOT, NP_CODE_I8, NP_FINE_F32, 8, 40, 4, 1024, 0, 0, 0, 40, 0, 0},
  {33, NP_METRIC_DOT, NP_CODE_F32, NP_FINE_NONE, 64, 80, 4, 8192, 24, 12, 2, 20, 0, 0},
  {5, NP_METRIC_L2, NP_CODE_I8, NP_FINE_F32, 8, 40, 8, 40960, 24, 12, 2, 16, 3000, 0}, /* filtered graph searches */
  {4096, NP_METRIC_COSINE, NP_CODE_I8, NP_FINE_NONE, 4, 20, 4, 1024, 0, 0, 0, 10, 0, 0},
  {70, NP_METRIC_COSINE, NP_CODE_I8, NP_FINE_I10, 8, 40, 5, 4096, 24, 12, 2, 12, 0, 0},
  {130, NP_METRIC_L2, NP_CODE_I8, NP_FINE_I10, 8, 40, 4, 2048, 0, 0, 0, 40, 0, 121},
  {65, NP_METRIC_DOT, NP_CODE_I8, NP_FINE_I10, 6, 40, 4, 2048, 0, 0, 0, 40, 0, 60},
  {20, NP_METRIC_COSINE, NP_CODE_I8, NP_FINE_F32, 8, 40, 4, 2048, 0, 0, 0, 40, 0, 18},
  {64, NP_METRIC_COSINE, NP_CODE_I8, NP_FINE_I4, 8, 40, 4, 2048, 24, 12, 2, 20, 0, 56},
  {61, NP_METRIC_L2, NP_CODE_I8, NP_FINE_I4, 8, 40, 4, 2048, 0, 0, 0, 40, 0, 56},
  {37, NP_METRIC_DOT, NP_CODE_I8, NP_FINE_I4, 6, 40, 4, 2048, 0, 0, 0, 40, 0, 0},
};

static Config c;
static f32 vectors[SLOTS_MAX][DIM_MAX]; /* by ordinal */
static u8 alive[SLOTS_MAX], ids[SLOTS_MAX][129];
static f64 numbers[SLOTS_MAX];
static u32 keywords[SLOTS_MAX], lists[SLOTS_MAX], slots, live_count;

static void poison_gaps(void) {
#ifndef NP_FUZZ
  ASAN_POISON_MEMORY_REGION(np_memory, NP_HEADER);
  u32 epochs_end = NP_READER_EPOCHS + READERS * NP_READER_EPOCH_STRIDE;
  ASAN_POISON_MEMORY_REGION(np_memory + epochs_end, NP_SCRATCH_BASE - epochs_end);
  for (u32 r = 0; r < READERS; r++) ASAN_POISON_MEMORY_REGION(np_memory + scratch_of(r), NP_STACK_BYTES);
#endif
}

/* A mean, which must be zero under dot, and directions of about unit length: the first components, stirred a little; where
 * there are all, they must be orthonormal, and are the components from the last to the first. */
static void write_basis(void) {
  u32 padded = round_up(c.dim, 4), is_whole = c.fine == NP_FINE_I4;
  f32 *row = AT(f32, H(H_BASIS));
  for (u32 l = 0; l <= directions() && c.lead; l++, row += padded)
    for (u32 i = 0; i < c.dim && (l > 0 || c.metric != NP_METRIC_DOT); i++)
      row[i] = is_whole && l > 0 ? i == c.dim - l : (l > 0 && i == l - 1) + uniform() / 50;
}

static void create(const Config *config, u32 seed) {
  size_t reserved = (size_t)3 << 32; /* any u32 address and any index from there stays inside */
  if (np_memory) munmap(np_memory, reserved);
  np_memory = mmap(NULL, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (np_memory == MAP_FAILED) abort();
#ifndef NP_FUZZ
  ASAN_POISON_MEMORY_REGION(np_memory, (size_t)LIMIT_PAGES * NP_PAGE);
#endif
  pages = 0;
  memory_grow(1);
  c = *config;
  H(H_LAYOUT_VERSION) = NP_LAYOUT_VERSION;
  H(H_DIM) = c.dim;
  H(H_METRIC) = c.metric;
  H(H_CODE) = c.code;
  H(H_FINE) = c.fine;
  H(H_M) = c.m;
  H(H_M0) = c.fine == NP_FINE_I4 ? (3 * c.m + 3) / 4 * 2 : 2 * c.m;
  H(H_EF_CONSTRUCTION) = c.ef;
  HF(H_ALPHA) = 1;
  H(H_SEED) = seed;
  H(H_BLOCK_SHIFT) = c.shift;
  H(H_HEAP_BYTES) = c.heap;
  H(H_ROW_STRIDE) = c.row;
  H(H_LISTS_OFFSET) = c.lists_offset;
  H(H_LISTS) = c.lists;
  H(H_LEAD) = c.lead;
  H(H_READERS) = READERS;
  H(H_LIMIT_PAGES) = LIMIT_PAGES;
  np_create();
  H(H_BLOCKS_MAX) = min_u32(H(H_BLOCKS_MAX), c.blocks_limit);
  if (H(H_BLOCKS_BASE) == 0) fail("no room for the scratch", 0, 0);
  memory_grow((H(H_BLOCKS_BASE) + NP_PAGE - 1) / NP_PAGE - 1);
  write_basis();
  poison_gaps();
  memset(alive, 0, sizeof alive);
  slots = live_count = 0;
}

/* Clusters, exact duplicates, zeros and a common corner: what makes ties and crowded lists. */
static void draw_vector(f32 *out) {
  u32 kind = below(10);
  f64 squares = 0;
  if (kind == 0 && slots > 0) {
    memcpy(out, vectors[below(slots)], c.dim * sizeof(f32));
    return;
  }
  f32 centre = (f32)below(4);
  for (u32 i = 0; i < c.dim; i++) {
    out[i] = kind < 6 ? centre * (f32)(i % 3) + uniform() * 0.2f : uniform() * 3;
    if (kind == 9 && i > 1) out[i] = 0;
    squares += (f64)out[i] * out[i];
  }
  if (c.metric == NP_METRIC_COSINE)
    for (u32 i = 0; i < c.dim; i++) out[i] = (f32)(out[i] / sqrt(squares));
}

static f64 distance_f64(const f32 *a, const f32 *b) {
  f64 dot = 0, l2 = 0;
  for (u32 i = 0; i < c.dim; i++) {
    dot += (f64)a[i] * b[i];
    l2 += ((f64)a[i] - b[i]) * ((f64)a[i] - b[i]);
  }
  return c.metric == NP_METRIC_L2 ? l2 : c.metric == NP_METRIC_DOT ? -dot : 1 - dot;
}

/* What the finest stored level may be off by. */
static f64 tolerance(const f32 *a, const f32 *b) {
  f64 sum = 0, stored = 0, max = 0, scale = 0;
  for (u32 i = 0; i < c.dim; i++) {
    sum += fabs((f64)a[i]);
    stored += fabs((f64)b[i]);
    scale += ((f64)a[i] * a[i]) + ((f64)b[i] * b[i]);
    if (fabs((f64)b[i]) > max) max = fabs((f64)b[i]);
  }
  f64 rounding = 1e-5 * (1 + scale);
  if (c.code == NP_CODE_F32 || c.fine == NP_FINE_F32) return rounding;
  /* the directions of the test are not quite orthonormal, so a residual may be as large as its vector */
  if (c.fine == NP_FINE_I4) return rounding + (sum + stored) * (max + 0.02) / 2032 * 2;
  if (c.fine == NP_FINE_I10) return rounding + (sum + stored) * max / 511;
  return rounding + sum * max / 127 * (c.metric == NP_METRIC_L2 ? 2 : 1);
}

/* Whether the slot holds the pin of the model, vector and record included. */
static void check_pin(u32 ordinal) {
  const u8 *id = AT(u8, heap_address(NODE_WORD(ordinal, NODE_RECORD)) + upper_bytes(NODE_BYTE(ordinal, NODE_LEVEL)));
  if (id[0] != ids[ordinal][0] || memcmp(id, ids[ordinal], id[0] + 1u)) fail("another id", ordinal, id[0]);
  if (!c.row) return;
  if (*AT(f64, cell_of(ordinal, 0)) != numbers[ordinal] || *AT(u32, cell_of(ordinal, 8)) != keywords[ordinal])
    fail("another row", ordinal, 0);
  u32 cell = *AT(u32, cell_of(ordinal, c.lists_offset));
  if ((cell != 0) != (lists[ordinal] != 0)) fail("another list", ordinal, lists[ordinal]);
  if (!cell) return;
  const u32 *list = AT(u32, heap_address(cell));
  if (list[0] != lists[ordinal]) fail("a list of another length", list[0], lists[ordinal]);
  for (u32 i = 1; i <= list[0]; i++)
    if (list[i] != i) fail("another list", list[i], i);
}

static void insert_pin(void) {
  f32 vector[DIM_MAX];
  draw_vector(vector);
  memcpy(QUERY_VECTOR(0), vector, c.dim * sizeof(f32));
  u32 *input = SCRATCH(u32, 0, H_S_INPUT), length = 1 + below(128), list = below(4) ? below(5) : 20;
  f64 number = (f64)below(100);
  u32 keyword = below(KEYWORDS);
  if (c.row) {
    memcpy(input, &number, 8);
    input[2] = keyword;
    input[3] = input[4] = input[5] = 0;
    input += c.row / 4;
    *input++ = list;
    for (u32 i = 1; i <= list; i++) *input++ = i;
    *input++ = 0;
  }
  *input++ = length;
  u8 id[129];
  id[0] = (u8)length;
  for (u32 i = 1; i <= length; i++) id[i] = (u8)random_u32();
  memcpy(input, id + 1, length);
  u32 before[H_STATE_END - H_STATE], pending = H(H_PENDING);
  memcpy(before, &H(H_STATE), sizeof before);
  i32 ordinal = np_insert();
  if (ordinal == NP_FULL) {
    if (H(H_BLOCKS) < H(H_BLOCKS_MAX)) fail("full before the limit", H(H_BLOCKS), H(H_BLOCKS_MAX));
    if (pending == NP_NONE && memcmp(before, &H(H_STATE), sizeof before)) fail("a refused insert left a trace", 0, 0);
    return;
  }
  if (ordinal < 0 || ordinal >= SLOTS_MAX || alive[ordinal]) fail("not a free ordinal", ordinal, 0);
  if ((u32)ordinal >= slots) slots = (u32)ordinal + 1;
  if (!np_holds(0, ordinal)) fail("does not hold what was inserted", ordinal, 0);
  if (np_holds(0, slots) || np_holds(0, NP_NONE)) fail("holds a vector where no node is", slots, 0);
  alive[ordinal] = 1;
  live_count++;
  memcpy(vectors[ordinal], vector, c.dim * sizeof(f32));
  memcpy(ids[ordinal], id, length + 1);
  numbers[ordinal] = number;
  keywords[ordinal] = keyword;
  lists[ordinal] = c.row ? list : 0;
}

static void remove_pin(u32 ordinal) {
  i32 answer = np_remove(ordinal);
  if ((answer >= 0) != (ordinal < slots && alive[ordinal])) fail("remove answers wrongly", ordinal, answer);
  if (answer < 0) return;
  alive[ordinal] = 0;
  live_count--;
}

static void change_row(u32 ordinal) {
  if (!c.row) return;
  u32 *input = SCRATCH(u32, 0, H_S_INPUT), list = below(4) ? below(5) : 20, keyword = below(KEYWORDS);
  f64 number = (f64)below(100);
  memcpy(input, &number, 8);
  input[2] = keyword;
  input[3] = input[4] = input[5] = 0;
  input += c.row / 4;
  *input++ = list;
  for (u32 i = 1; i <= list; i++) *input++ = i;
  *input = 0;
  i32 answer = np_set_row(ordinal);
  if (answer == NP_FULL) {
    if (H(H_BLOCKS) < H(H_BLOCKS_MAX)) fail("full before the limit", H(H_BLOCKS), H(H_BLOCKS_MAX));
    return;
  }
  if ((answer >= 0) != (ordinal < slots && alive[ordinal])) fail("set_row answers wrongly", ordinal, answer);
  if (answer < 0) return;
  numbers[ordinal] = number;
  keywords[ordinal] = keyword;
  lists[ordinal] = list;
}

static void remove_some(void) {
  if (slots == 0) return;
  u32 kind = below(40);
  if (kind == 0) {
    for (u32 i = 0; i < slots; i++) remove_pin(i);
  } else if (kind < 4) { /* a neighbourhood */
    u32 centre = below(slots);
    for (u32 i = 0; i < slots; i++)
      if (alive[i] && distance_f64(vectors[i], vectors[centre]) < (c.metric == NP_METRIC_DOT ? 0 : 0.1)) remove_pin(i);
  } else if (kind < 8) {
    if (H(H_ENTRY) != NP_NONE) remove_pin(H(H_ENTRY));
  } else {
    for (u32 n = below(30); n > 0; n--) remove_pin(below(slots + 2));
  }
}

/* A program of all instructions, and its meaning. `kind` 0 is no filter. */
static u32 write_filter(u32 *program, u32 kind) {
  u32 *p = program;
  f64 low = 20, high = 80;
  switch (kind) {
    case 1: /* number in [20, 80) */
      *p++ = F_NUM_RANGE; *p++ = 0; *p++ = 1;
      memcpy(p, &low, 8); memcpy(p + 2, &high, 8);
      p += 4;
      break;
    case 2: /* keyword in {1, 3, 5} and the list exists, or number in {20, 80} */
      *p++ = F_KW_IN; *p++ = 8; *p++ = 3; *p++ = 1; *p++ = 3; *p++ = 5;
      *p++ = F_EXISTS; *p++ = KIND_KEYWORDS; *p++ = c.lists_offset;
      *p++ = F_AND; *p++ = 2;
      *p++ = F_NUM_IN; *p++ = 0; *p++ = 2;
      memcpy(p, &low, 8); memcpy(p + 2, &high, 8);
      p += 4;
      *p++ = F_OR; *p++ = 2;
      break;
    case 3: /* the list holds 4 or 9, and no keyword */
      *p++ = F_KWS_ANY; *p++ = c.lists_offset; *p++ = 2; *p++ = 4; *p++ = 9;
      *p++ = F_EXISTS; *p++ = KIND_KEYWORD; *p++ = 8;
      *p++ = F_NOT;
      *p++ = F_AND; *p++ = 2;
      break;
    default: /* nothing, said at length */
      for (u32 i = 0; i < NP_FILTER_STACK; i++) *p++ = i ? F_TRUE : F_FALSE;
      *p++ = F_AND; *p++ = NP_FILTER_STACK;
  }
  *p++ = F_END;
  return (u32)(p - program);
}

static u32 matches(u32 ordinal, u32 kind) {
  if (!alive[ordinal]) return 0;
  f64 number = numbers[ordinal];
  u32 keyword = keywords[ordinal], list = lists[ordinal];
  switch (kind) {
    case 0: return 1;
    case 1: return number >= 20 && number < 80;
    case 2: return ((keyword & 1) && list > 0) || number == 20 || number == 80;
    case 3: return list >= 4 && keyword == 0;
    default: return 0;
  }
}

static u64 found_of_graph, wanted_of_graph;

static int ascending(const void *a, const void *b) {
  f64 x = *(const f64 *)a, y = *(const f64 *)b;
  return x < y ? -1 : x > y;
}

/* Searches with the reader in slices of `budget`, doing `between` after the first, and checks the hits. */
static void search_pins(u32 reader, u32 budget, void (*between)(void)) {
  f32 query[DIM_MAX];
  static f64 truth[SLOTS_MAX];
  u32 kind = c.row ? below(5) : 0, k = 1 + below(20), exact = below(2), n = 0;
  if (below(20) == 0) k = 300;
  draw_vector(query);
  memcpy(QUERY_VECTOR(reader), query, c.dim * sizeof(f32));
  u32 words = kind ? write_filter(SCRATCH(u32, reader, H_S_INPUT), kind) : 0;
  i32 answer = np_search(reader, k, exact && !kind ? 0 : 1 + below(120), exact, words, (i32)budget, below(2));
  if (between) between();
  for (u32 slices = 0; answer == NP_RUNNING; slices++) {
    if (slices > 2000000) fail("a search without an end", budget, 0);
    answer = np_resume(reader, (i32)budget);
  }
  u32 hits = np_hits(reader);
  const u32 *ordinals = (u32 *)(SCRATCH(u64, reader, H_S_HITS) + NP_K_MAX);
  const f32 *distances = (const f32 *)(ordinals + NP_K_MAX);
  for (u32 i = 0; i < hits; i++) {
    u32 ordinal = ordinals[i];
    if (ordinal >= slots || (!between && !matches(ordinal, kind))) fail("a wrong hit", ordinal, kind);
    if (i > 0 && (distances[i] < distances[i - 1] || (distances[i] == distances[i - 1] && ordinal <= ordinals[i - 1])))
      fail("hits out of order", distances[i - 1], distances[i]);
    /* the model keeps the vector of a removed pin until its slot is used again */
    f64 right = distance_f64(query, vectors[ordinal]);
    if (fabs(right - distances[i]) > tolerance(query, vectors[ordinal])) fail("a wrong distance", distances[i], right);
    check_pin(ordinal);
  }
  if (!between) {
    for (u32 i = 0; i < slots; i++)
      if (matches(i, kind)) truth[n++] = distance_f64(query, vectors[i]);
    qsort(truth, n, sizeof(f64), ascending);
    if (hits != min_u32(k, n)) fail("too few hits", hits, min_u32(k, n));
    u32 found = 0;
    for (u32 i = 0; i < hits; i++) found += distances[i] <= truth[hits - 1] + tolerance(query, vectors[ordinals[i]]);
    if (exact && found < hits) fail("a scan that is not exact", found, hits);
    found_of_graph += found;
    wanted_of_graph += hits;
  }
  np_leave(reader);
}

static void check_shard(void) {
  u32 finding = np_validate(1), waiting = 0;
  if (finding) fail("validate", finding, S(1, S_CURSOR));
  if (H(H_LIVE) != live_count) fail("live", H(H_LIVE), live_count);
  /* nobody links to a slot that waits for the readers alone */
  static u8 pending[SLOTS_MAX];
  memset(pending, 0, sizeof pending);
  for (u32 i = H(H_PENDING); i != NP_NONE; i = NODE_WORD(i, NODE_PARENT)) pending[i] = 1, waiting++;
  for (u32 i = 0; i < H(H_COUNT) && waiting; i++) {
    if (NODE_BYTE(i, NODE_STATUS) == NODE_FREE || pending[i]) continue;
    for (u32 level = 0; level <= NODE_BYTE(i, NODE_LEVEL); level++) {
      const u32 *list = list_of(i, level);
      for (u32 j = 0; j < list_max(level) && list[j]; j++)
        if (pending[list[j] - 1]) fail("a link to a slot that will be used again", i, list[j] - 1);
    }
  }
  for (u32 i = 0; i < slots; i++)
    if (alive[i]) check_pin(i);
}

static void churn(void) {
  for (u32 n = below(60); n > 0; n--) {
    if (live_count > 0 && below(2)) remove_pin(below(slots));
    else insert_pin();
    if (below(3) == 0) change_row(below(slots + 2));
  }
}

static void run(u32 which, u32 seed, u32 steps) {
  char name[64];
  snprintf(name, sizeof name, "config %u, seed %u", which, seed);
  doing = name;
  random_state = 0x9e3779b97f4a7c15u * (seed + 1) + which;
  create(&CONFIGS[which], seed);
  found_of_graph = wanted_of_graph = 0;
  u32 most = 0;
  for (u32 i = 0; i < c.prefill; i++) insert_pin();
  for (u32 step = 0; step < steps; step++) {
    u32 kind = below(16);
    if (kind < 7) for (u32 n = below(20); n > 0; n--) insert_pin();
    else if (kind < 9) remove_some();
    else if (kind < 14) search_pins(1 + below(READERS - 1), below(2) ? 1000000 : 1 + below(60), NULL);
    else search_pins(1 + below(READERS - 1), 1 + below(20), churn);
    if (live_count > most) most = live_count;
    check_shard();
  }
  f64 recall = wanted_of_graph ? (f64)found_of_graph / (f64)wanted_of_graph : 1;
  if (recall < 0.9) fail("recall", recall, 0.9);
  printf("config %u: %u steps, up to %u pins in %u blocks, recall %.3f\n", which, steps, most, H(H_BLOCKS), recall);
}

/* ---- damaged images ---- */

#ifdef NP_FUZZ
static sigjmp_buf trap;
static u32 trapped, found; /* static, because a jump may come between */
static void on_fault(int signal) { siglongjmp(trap, signal); }

static void damage(void) {
  u32 count = H(H_COUNT), node;
  for (u32 n = 1 + below(8); n > 0; n--) {
    u32 value = below(3) ? below(count + 4) : below(2) ? random_u32() : NP_NONE;
    node = below(count);
    switch (below(8)) {
      case 0:
      case 1: links_of(node)[below(H(H_M0))] = value; break;
      case 2: NODE_WORD(node, 4 * below(NP_NODE_BYTES / 4)) = value; break;
      case 3: NODE_BYTE(node, NODE_LEVEL + below(3)) = (u8)value; break;
      case 4: *AT(u32, cell_of(node, 4 * below(c.row / 4))) = value; break;
      case 5: *AT(u32, heap_address(NODE_WORD(node, NODE_RECORD)) & ~3u) = value; break;
      case 6: H(H_ENTRY + below(H_HEAP_FREE + 16 - H_ENTRY)) = value; break;
      default: *AT(u8, H(H_BLOCKS_BASE) + below(H(H_BLOCKS) * H(H_BLOCK_BYTES))) ^= (u8)(1u << below(8));
    }
  }
}

static void fuzz(u32 seed, u32 images) {
  struct sigaction action = {.sa_handler = on_fault, .sa_flags = SA_NODEFER};
  int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGALRM};
  for (u32 i = 0; i < 5; i++) sigaction(faults[i], &action, NULL);
  for (volatile u32 image = 0; image < images; image++) {
    doing = "fuzz";
    random_state = 0x9e3779b97f4a7c15u * (seed + image + 1);
    if (image % 50 == 0) {
      create(&CONFIGS[1 + image / 50 % 3], seed + image);
      for (u32 i = 0; i < 150; i++) insert_pin();
      for (u32 i = 0; i < 30; i++) remove_pin(below(slots));
    }
    u32 bytes = pages * NP_PAGE, grown = pages;
    u8 *copy = malloc(bytes);
    memcpy(copy, np_memory, bytes);
    struct itimerval second = {.it_value = {.tv_sec = 5}}, none = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &second, NULL);
    for (volatile u32 call = 0; call < 13; call++) {
      int signal = sigsetjmp(trap, 1);
      if (signal == SIGALRM) fail("a call without an end on a damaged image", image, call);
      if (signal) {
        trapped++;
        continue;
      }
      u32 *input = SCRATCH(u32, 1, H_S_INPUT), kind = below(4);
      draw_vector(QUERY_VECTOR(call % 2));
      switch (call) {
        case 0: damage(); break;
        case 1: found += np_validate(1) != 0; break;
        case 5:
        case 8:
        case 10: np_insert(); break;
        case 6:
        case 7:
        case 9: np_remove(below(slots)); break;
        default:
          u32 words = kind ? write_filter(input, kind) : 0;
          i32 answer = np_search(1, 10, 1 + below(100), below(2), words, 100, below(2));
          while (answer == NP_RUNNING) answer = np_resume(1, 100);
          np_hits(1);
      }
    }
    setitimer(ITIMER_REAL, &none, NULL);
    memcpy(np_memory, copy, bytes);
    if (pages > grown) memset(np_memory + bytes, 0, (size_t)(pages - grown) * NP_PAGE);
    free(copy);
  }
  printf("fuzz: %u damaged images, %u found by validate, %u calls trapped\n", images, found, trapped);
}
#endif

int main(int argc, char **argv) {
  u32 seed = argc > 1 ? (u32)atoi(argv[1]) : 1, amount = argc > 2 ? (u32)atoi(argv[2]) : 200;
#ifdef NP_FUZZ
  fuzz(seed, amount);
#else
  for (u32 which = 0; which < sizeof CONFIGS / sizeof *CONFIGS; which++) run(which, seed, amount);
#endif
  return 0;
}
