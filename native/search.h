/*
 * Searching: Algorithm 2 of Malkov and Yashunin (TPAMI 2020) on codes, then rescoring by the finest level stored.
 * A search runs in slices of a budget of distances, so that a deadline is held without a clock in here and without
 * killing the thread: np_search starts one, np_resume goes on with it, and its whole state lies in the reader's
 * scratch.
 */
#ifndef NP_SEARCH_H
#define NP_SEARCH_H

#include "distance.h"
#include "filter.h"
#include "queue.h"

enum { PHASE_FILTER, PHASE_GRAPH, PHASE_SCAN, PHASE_DONE };

/* Greedy descent with one candidate over the levels above `level`: the start for a search of that level. It does not
 * step on nodes in limbo: the live ones around them are linked, and below one there may be no way on. */
static u32 descend(const Shape *s, const Query *q, u32 entry, u32 from_level, u32 level, u32 limit) {
  u32 nearest = entry;
  f32 best = distance_to(s, q, entry);
  for (u32 l = from_level; l > level; l--) {
    for (u32 moved = 1; moved;) {
      moved = 0;
      const u32 *links = list_of(nearest, l);
      u32 found[NP_M_MAX], n = 0;
      f32 distances[NP_M_MAX];
      for (u32 i = 0; i < list_max(l); i++) {
        u32 link = load(links + i);
        if (!link) break;
        if (link <= limit) found[n++] = link - 1;
      }
      distances_to(s, q, found, n, distances);
      for (u32 i = 0; i < n; i++) {
        if (distances[i] < best && is_live(found[i])) {
          best = distances[i];
          nearest = found[i];
          moved = 1;
        }
      }
    }
  }
  return nearest;
}

/* How many of the nearest candidates the beam expands together: their lists, and then the codes of all their
 * neighbours, are fetched from memory at once, so a step waits for memory twice and not twice for each. Fewer until
 * the queue is full, since what is near changes fast until then, and fewer for a narrow queue, of which four are a large
 * part. */
#define BEAM 4
#define BEAM_FIRST 2
#define FOUND_MAX (BEAM * 2 * NP_M_MAX)

/* What a search has visited stands in a bitmap and, in order, in a log, so that forgetting it costs what the search cost
 * and not what the shard holds. NP_NONE in place of a length says that the log does not tell all. */
INLINE u32 *visited_of(u32 reader) { return SCRATCH(u32, reader, H_S_VISITED); }
INLINE u32 *log_of(u32 reader) { return SCRATCH(u32, reader, H_S_LOG); }

static void forget_visited(u32 reader, u32 count) {
  u32 *visited = visited_of(reader), logged = S(reader, S_LOGGED);
  const u32 *log = log_of(reader);
  if (logged > NP_LOG_MAX) words_clear(visited, (count + 31) / 32);
  else for (u32 i = 0; i < logged; i++) visited[log[i] >> 5] = 0;
  S(reader, S_LOGGED) = 0;
}

/* The first ordinal of a search that has visited nothing. */
INLINE void visit_first(u32 reader, u32 ordinal) {
  bit_set(visited_of(reader), ordinal);
  log_of(reader)[0] = ordinal;
  S(reader, S_LOGGED) = 1;
}

/* Appends what a list links to and was not visited to found[n..], marking it; only live nodes when `live_only`. The
 * test is not a branch, since nothing could predict it: what was visited is overwritten by the next one, which takes
 * one place more than FOUND_MAX. */
INLINE u32 gather(const u32 *list, u32 room, u32 limit, u32 *visited, u32 live_only, u32 *found, u32 n) {
  for (u32 i = 0; i < room; i++) {
    /* not an atomic load, for which V8 checks the alignment each time; a whole aligned word it is all the same */
    u32 link = ((const volatile u32 *)list)[i];
    if (!link) break;
    /* a link beyond the limit is a later node's, or damage */
    if (link > limit || (live_only && !is_live(link - 1))) continue;
    u32 word = visited[(link - 1) >> 5], bit = 1u << ((link - 1) & 31);
    visited[(link - 1) >> 5] = word | bit;
    found[n] = link - 1;
    n += (word & bit) == 0;
  }
  return n;
}

/* Whether links may lead to nodes in limbo. Where none may, no node's status needs to be fetched: what the search came by
 * was live when it began. */
INLINE u32 any_limbo(void) { return load(&H(H_LIMBO_SWEPT)) != NP_NONE || load(&H(H_LIMBO_NEW)) != NP_NONE; }

/* The beam over one level, from what stands in the queue until no candidate is left to expand or the budget of
 * distances is used up. `limit` is the count of ordinals at the start: later ones are not this search's.
 *
 * A node in limbo leads on to live ones, and then leaves the queue: it takes no place of a hit, and a whole region that
 * was removed is not searched through. */
static void beam(const Shape *s, const Query *q, u32 reader, u32 level, u32 ef, u64 *queue, u32 *queue_size,
                 u32 *queue_cursor, u32 limit, i32 *budget, u32 *hops) {
  u32 size = *queue_size, cursor = *queue_cursor, room = list_max(level);
  u32 full_width = min_u32(max_u32(ef / 16, BEAM_FIRST), BEAM);
  u32 *visited = visited_of(reader), *log = log_of(reader), logged = S(reader, S_LOGGED), all = logged <= NP_LOG_MAX;
  /* should this stop in the middle, the log does not tell all */
  S(reader, S_LOGGED) = NP_NONE;
  if (!all) logged = 0;
  u32 limbo = any_limbo();
  while (cursor < size && *budget > 0) {
    if (logged > NP_LOG_MAX - FOUND_MAX - 1) logged = all = 0;
    u32 *found = log + logged, n = 0, expanded = 0, dead = 0, next = cursor, width = size < ef ? BEAM_FIRST : full_width;
    u32 nodes[BEAM];
    f32 distances[FOUND_MAX];
    const u32 *lists[BEAM];
    for (; next < size && expanded < width; next++) {
      if (key_expanded(queue[next])) continue;
      nodes[expanded] = key_ordinal(queue[next]);
      queue[next] |= 1;
      lists[expanded] = level == 0 ? links_at(s, nodes[expanded]) : list_of(nodes[expanded], level);
      touch(lists[expanded], room * 4);
      expanded++;
    }
    for (u32 e = 0; e < expanded; e++) {
      u32 in_limbo = limbo && !is_live(nodes[e]);
      n = gather(lists[e], room, limit, visited, in_limbo, found, n);
      dead += in_limbo;
    }
    touch_codes(s, found, n);
    distances_to(s, q, found, n, distances);
    if (dead) {
      u32 kept = cursor;
      for (u32 i = cursor; i < next; i++)
        if (is_live(key_ordinal(queue[i]))) queue[kept++] = queue[i];
      for (u32 i = next; i < size; i++) queue[kept + i - next] = queue[i];
      size -= next - kept;
      next = kept;
    }
    u32 first = next;
    u64 fresh[FOUND_MAX + 1], sorted[FOUND_MAX], worst = size == ef ? queue[ef - 1] : ~0ull;
    u32 m = 0;
    /* few are near enough for a full queue: four are looked at together, and only the keys of those are made */
    vec last = f32x4_splat(size == ef ? key_distance(worst) : __builtin_inff());
    for (u32 i = 0; i < n; i += 4) {
      for (u32 near = f32x4_not_above(vec_load(distances + i), last); near; near &= near - 1) {
        u32 j = i + (u32)__builtin_ctz(near);
        if (j >= n) break;
        u64 key = key_of(distances[j], found[j]);
        fresh[m] = key;
        m += key < worst;
      }
    }
    if (m > 0) {
      sort_keys(fresh, m, sorted);
      first = min_u32(first, queue_merge(queue, &size, ef, sorted, m));
    }
    cursor = first;
    while (cursor < size && key_expanded(queue[cursor])) cursor++;
    *budget -= (i32)n + 1;
    *hops += expanded;
    logged += n;
  }
  if (all) S(reader, S_LOGGED) = logged;
  *queue_size = size;
  *queue_cursor = cursor;
}

/* A fresh search of one level from one ordinal, to its end; the queue holds the result. Used by insertion. */
static u32 search_level(const Shape *s, const Query *q, u32 reader, u32 start, u32 level, u32 ef, u64 *queue) {
  u32 count = H(H_COUNT), size = 1, cursor = 0, hops = 0;
  i32 budget = 0x7fffffff;
  forget_visited(reader, count);
  visit_first(reader, start);
  queue[0] = key_of(distance_to(s, q, start), start);
  beam(s, q, reader, level, ef, queue, &size, &cursor, count, &budget, &hops);
  return size;
}

INLINE u32 passes(u32 reader, u32 ordinal) {
  return !S(reader, S_FILTERED) || bit_get(SCRATCH(u32, reader, H_S_MATCHES), ordinal);
}

/* Evaluates the filter on every row, into the bitmap of matches. */
static void run_filter(u32 reader, i32 *budget) {
  u32 *matches = SCRATCH(u32, reader, H_S_MATCHES);
  const u32 *program = SCRATCH(u32, reader, H_S_INPUT);
  u32 ordinal = S(reader, S_CURSOR), count = S(reader, S_COUNT);
  while (ordinal < count && *budget > 0) {
    u32 bits = 0, end = min_u32(count - ordinal, 32);
    for (u32 i = 0; i < end; i++)
      if (is_live(ordinal + i) && filter_accepts(program, row_of(ordinal + i))) bits |= 1u << i;
    matches[ordinal >> 5] = bits;
    S(reader, S_MATCHING) += (u32)__builtin_popcount(bits);
    ordinal += 32;
    *budget -= 8;
  }
  S(reader, S_CURSOR) = ordinal;
}

static void start_scan(u32 reader) {
  S(reader, S_PHASE) = PHASE_SCAN;
  S(reader, S_PLAN) = NP_PLAN_SCAN;
  S(reader, S_CURSOR) = 0;
  S(reader, S_HITS) = 0;
  S(reader, S_EF) = 0;
}

static void start_graph(const Shape *s, const Query *q, u32 reader, u32 ef) {
  u64 *queue = SCRATCH(u64, reader, H_S_QUEUE);
  u32 count = S(reader, S_COUNT), entry = S(reader, S_ENTRY);
  S(reader, S_PHASE) = PHASE_GRAPH;
  S(reader, S_PLAN) = NP_PLAN_GRAPH;
  S(reader, S_EF) = ef;
  S(reader, S_CURSOR) = 0;
  S(reader, S_SIZE) = 0;
  forget_visited(reader, count);
  if (entry >= count) return;
  u32 start = descend(s, q, entry, NODE_BYTE(entry, NODE_LEVEL), 0, count);
  visit_first(reader, start);
  queue[0] = key_of(distance_to(s, q, start), start);
  S(reader, S_SIZE) = 1;
}

/* How to search, once it is known how many pins match (an ef of 0 asks for a scan): scanning them costs one distance
 * each and is exact; the graph costs about M0 distances for each of ef candidates, and ef must be the wider the fewer
 * of them match. */
static void choose_plan(const Shape *s, const Query *q, u32 reader) {
  u32 matching = S(reader, S_MATCHING), live = H(H_LIVE), ef = S(reader, S_EF);
  if (ef == 0 || matching <= max_u32(1024, live / 8)) {
    start_scan(reader);
    return;
  }
  start_graph(s, q, reader, min_u32((u32)((u64)ef * live / matching), NP_EF_MAX));
}

/* Exact scan of the matching pins by the finest level. */
static void run_scan(const Shape *s, const Query *q, u32 reader, i32 *budget) {
  u64 *hits = SCRATCH(u64, reader, H_S_HITS);
  u32 ordinal = S(reader, S_CURSOR), count = S(reader, S_COUNT), size = S(reader, S_HITS), k = S(reader, S_K);
  i32 before = *budget;
  for (; ordinal < count && *budget > 0; ordinal++) {
    if (!passes(reader, ordinal) || !is_live(ordinal)) continue;
    queue_insert(hits, &size, k, key_of(distance_fine(s, q, ordinal), ordinal));
    --*budget;
  }
  S(reader, S_DISTANCES) += (u32)(before - *budget);
  S(reader, S_CURSOR) = ordinal;
  S(reader, S_HITS) = size;
}

/* Candidates that are rescored: some more than k, to learn what codes leave out, and no more than so many. */
#define RESCORED_MIN 6
#define RESCORED_MAX 32
/* They are fetched from memory so many at a time: a load that misses blocks those after it as soon as the processor has
 * looked a few hundred instructions ahead, so the loads must stand close together. */
#define RESCORED_TOGETHER 16

/* Rescores the nearest accepted candidates by the finest level. A code leaves a part of the distance out, and it is much
 * the same part for all that are near; so once the next candidate would be too far even with a part as far below the
 * average as twice the least that was seen, the rest is not looked at. */
static u32 rescore(const Shape *s, const Query *q, u32 reader) {
  const u64 *queue = SCRATCH(u64, reader, H_S_QUEUE);
  u64 *hits = SCRATCH(u64, reader, H_S_HITS);
  u32 k = S(reader, S_K), queued = S(reader, S_SIZE), size = 0, rescored = 0, wanted = 2 * k + RESCORED_MAX;
  u32 limbo = any_limbo(), far = 0;
  f32 unit = coarse_unit(s), least = __builtin_inff(), sum = 0;
  for (u32 next = 0; next < queued && rescored < wanted && !far;) {
    u32 candidates[RESCORED_TOGETHER], n = 0;
    f32 coarse[RESCORED_TOGETHER];
    for (; next < queued && n < min_u32(RESCORED_TOGETHER, wanted - rescored); next++) {
      candidates[n] = key_ordinal(queue[next]);
      coarse[n] = key_distance(queue[next]) * unit;
      n += passes(reader, candidates[n]) && !(limbo && !is_live(candidates[n]));
    }
    for (u32 i = 0; i < n; i++) touch_fine(s, candidates[i]);
    for (u32 i = 0; i < n; i++) {
      far = rescored >= k + RESCORED_MIN && coarse[i] + 2 * least - sum / (f32)rescored > key_distance(hits[k - 1]);
      if (far) break;
      f32 distance = distance_fine(s, q, candidates[i]);
      if (distance - coarse[i] < least) least = distance - coarse[i];
      sum += distance - coarse[i];
      queue_insert(hits, &size, k, key_of(distance, candidates[i]));
      rescored++;
    }
  }
  S(reader, S_DISTANCES) += rescored;
  return S(reader, S_HITS) = size;
}

static i32 finished(u32 reader) {
  S(reader, S_PHASE) = PHASE_DONE;
  return NP_DONE;
}

static i32 run_search(const Shape *s, const Query *q, u32 reader, i32 budget) {
  u32 count = S(reader, S_COUNT);
  while (budget > 0) {
    if (S(reader, S_PHASE) == PHASE_FILTER) {
      run_filter(reader, &budget);
      if (S(reader, S_CURSOR) >= count) choose_plan(s, q, reader);
    } else if (S(reader, S_PHASE) == PHASE_SCAN) {
      run_scan(s, q, reader, &budget);
      if (S(reader, S_CURSOR) >= count) return finished(reader);
    } else {
      i32 before = budget;
      u32 ef = S(reader, S_EF);
      beam(s, q, reader, 0, ef, SCRATCH(u64, reader, H_S_QUEUE), &S(reader, S_SIZE), &S(reader, S_CURSOR), count,
           &budget, &S(reader, S_HOPS));
      S(reader, S_DISTANCES) += (u32)(before - budget);
      if (S(reader, S_CURSOR) < S(reader, S_SIZE)) continue;
      u32 hits = rescore(s, q, reader), matching = S(reader, S_MATCHING);
      if (hits >= min_u32(S(reader, S_K), matching)) return finished(reader);
      /* too many of the candidates do not match or are deleted: look wider, or at everything when that is cheaper */
      if (ef * 4 > NP_EF_MAX || ef * 4 > matching) start_scan(reader);
      else start_graph(s, q, reader, ef * 4);
    }
  }
  return NP_RUNNING;
}

/* The hits, nearest first; of an interrupted search, the best of what it has found. */
static void write_hits(u32 reader) {
  if (S(reader, S_PHASE) == PHASE_GRAPH) {
    Shape s = shape_of_shard();
    Query q = query_from_vector(&s, reader);
    rescore(&s, &q, reader);
  }
  const u64 *keys = SCRATCH(u64, reader, H_S_HITS);
  u32 *ordinals = (u32 *)(keys + NP_K_MAX);
  f32 *distances = (f32 *)(ordinals + NP_K_MAX);
  for (u32 i = 0; i < S(reader, S_HITS); i++) {
    ordinals[i] = key_ordinal(keys[i]);
    distances[i] = key_distance(keys[i]);
  }
}

#endif
