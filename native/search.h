/*
 * Searching: Algorithm 2 of Malkov and Yashunin (TPAMI 2020) on codes, then rescoring by the finest level stored.
 * A search runs in slices of a budget of distances, so that a deadline is held without a clock in here and without
 * killing the thread: np_search starts one, np_resume goes on with it, and its whole state lies in the reader's
 * scratch.
 */
#ifndef NP_SEARCH_H
#define NP_SEARCH_H

#include "distance.h"
#include "masks.h"
#include "plan.h"
#include "queue.h"
#include "two_hop.h"
#include "width.h"

enum { PHASE_SKETCH, PHASE_MASK, PHASE_GRAPH, PHASE_TWO_HOP, PHASE_SCAN, PHASE_FINE_SCAN, PHASE_DONE };

/* Matching nodes that a two-hop search starts from beside the graph's own start. */
#define SEEDS 64

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
 * the queue is full, since what is near changes fast until then, and fewer for a narrow queue, of which six are a large
 * part. */
#define BEAM 6
#define BEAM_FIRST 3
#define FOUND_MAX (BEAM * 2 * NP_M_MAX)
_Static_assert(FOUND_MAX <= TOGETHER_MAX && FOUND_MAX <= OFFERED_MAX, "what a step finds is compared and offered at once");

/* What a search has visited stands in a bitmap and, in order, in a log, so that forgetting it costs what the search cost
 * and not what the shard holds. NP_NONE in place of a length says that the log does not tell all. */
INLINE u32 *visited_of(u32 reader) { return SCRATCH(u32, reader, H_S_VISITED); }
INLINE u32 *log_of(u32 reader) { return SCRATCH(u32, reader, H_S_LOG); }

static void forget_visited(u32 reader, u32 count) {
  u32 *visited = visited_of(reader), logged = S(reader, S_LOGGED);
  const u32 *log = log_of(reader);
  if (logged > NP_LOG_MAX) words_clear(visited, count / 32 + 1);
  else for (u32 i = 0; i < logged; i++) visited[log[i] >> 5] = 0;
  S(reader, S_LOGGED) = 0;
}

/* Makes the ordinals of n keys, at most NP_EF_MAX, the only visited ones. */
static void visit_only(u32 reader, u32 count, const u64 *keys, u32 n) {
  forget_visited(reader, count);
  for (u32 i = 0; i < n; i++) {
    log_of(reader)[i] = key_ordinal(keys[i]);
    bit_set(visited_of(reader), key_ordinal(keys[i]));
  }
  S(reader, S_LOGGED) = n;
}

/* Appends what a list links to and was not visited to found[n..], marking it; only live nodes when `live_only`. The
 * test is not a branch, since nothing could predict it: what was visited is overwritten by the next one, which takes
 * one place more than FOUND_MAX. */
INLINE u32 gather(const u32 *list, u32 room, u32 limit, u32 *visited, u32 live_only, u32 *found, u32 n) {
  for (u32 i = 0; i < room; i++) {
    u32 link = plain(list + i);
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

/* The beam over one level, from what stands in the queue until no candidate is left to expand or the budget of
 * distances is used up. `limit` is the count of ordinals at the start: later ones are not this search's.
 *
 * A node in limbo leads on to live ones, and then leaves the queue: it takes no place of a hit, and a whole region that
 * was removed is not searched through. */
static void beam(const Shape *s, const Query *q, u32 reader, u32 level, const Width *w, u64 *queue, u32 *queue_size,
                 u32 *queue_cursor, u32 limit, i32 *budget, u32 *hops) {
  u32 size = *queue_size, cursor = *queue_cursor, room = list_max(level), ef = w->ef;
  u32 full_width = min_u32(max_u32(ef / 8, BEAM_FIRST), BEAM);
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
    u64 last = last_in_reach(w, queue, size), furthest = narrow(w, queue, &size, last);
    /* it stands there even if it is not in the queue any more */
    if (queue[cursor] > last) {
      cursor = size;
      break;
    }
    for (; next < size && expanded < width && queue[next] <= last; next++) {
      if (key_expanded(queue[next])) continue;
      if (!limbo && is_told(w, queue, size, next)) {
        queue[next] |= 1;
        continue;
      }
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
    distances_to(s, q, found, n, distances);
    if (dead) {
      u32 kept = cursor;
      for (u32 i = cursor; i < next; i++)
        if (is_live(key_ordinal(queue[i]))) queue[kept++] = queue[i];
      for (u32 i = next; i < size; i++) queue[kept + i - next] = queue[i];
      size -= next - kept;
      next = kept;
    }
    cursor = min_u32(next, queue_offer(queue, &size, w->capacity, furthest, found, distances, n));
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
  Width w = whole_width(ef);
  queue[0] = key_of(distance_to(s, q, start), start);
  visit_only(reader, count, queue, 1);
  beam(s, q, reader, level, &w, queue, &size, &cursor, count, &budget, &hops);
  return size;
}

/* Scans the accepted pins beside the hits there are. */
static void start_fine_scan(u32 reader) {
  S(reader, S_PHASE) = PHASE_FINE_SCAN;
  S(reader, S_STAGE) = NP_STAGE_SEARCH;
  S(reader, S_PLAN) = NP_PLAN_SCAN;
  S(reader, S_CURSOR) = 0;
  S(reader, S_EF) = 0;
  visit_only(reader, S(reader, S_COUNT), SCRATCH(u64, reader, H_S_HITS), S(reader, S_HITS));
}

/* Scans the pins of the mask beside the candidates there are. */
static void start_scan(u32 reader) {
  S(reader, S_PHASE) = PHASE_SCAN;
  S(reader, S_STAGE) = NP_STAGE_SEARCH;
  S(reader, S_PLAN) = NP_PLAN_SCAN;
  S(reader, S_CURSOR) = 0;
  S(reader, S_EF) = 0;
  S(reader, S_SIZE) = min_u32(S(reader, S_SIZE), S(reader, S_EF_ASKED));
  visit_only(reader, S(reader, S_COUNT), SCRATCH(u64, reader, H_S_QUEUE), S(reader, S_SIZE));
}

/* Where the search of level 0 starts. */
INLINE u32 find_start(const Shape *s, const Query *q, u32 entry, u32 count) {
  return descend(s, q, entry, NODE_BYTE(entry, NODE_LEVEL), 0, count);
}

static void start_graph(const Shape *s, const Query *q, u32 reader, u32 ef) {
  u64 *queue = SCRATCH(u64, reader, H_S_QUEUE);
  u32 count = S(reader, S_COUNT), entry = S(reader, S_ENTRY);
  S(reader, S_PHASE) = PHASE_GRAPH;
  S(reader, S_STAGE) = NP_STAGE_SEARCH;
  S(reader, S_PLAN) = NP_PLAN_GRAPH;
  S(reader, S_EF) = ef;
  S(reader, S_CURSOR) = 0;
  S(reader, S_SIZE) = 0;
  if (entry >= count) return;
  u32 start = find_start(s, q, entry, count);
  queue[0] = key_of(distance_to(s, q, start), start);
  S(reader, S_SIZE) = 1;
  visit_only(reader, count, queue, 1);
}

/* From the candidates there are, what the start of a plain search leads to, and nodes spread over the mask: those reach
 * what the graph does not connect by matching nodes. */
static void start_two_hop(const Shape *s, const Query *q, u32 reader) {
  u64 *queue = SCRATCH(u64, reader, H_S_QUEUE);
  u32 *visited = SCRATCH(u32, reader, H_S_VISITED), *mask = MASK(reader);
  u32 count = S(reader, S_COUNT), entry = S(reader, S_ENTRY), ef = width_of_two_hop(reader), n = 0, reads = 0;
  u32 found[MATCHES_MAX + 1], seeds[SEEDS];
  f32 distances[MATCHES_MAX];
  S(reader, S_PHASE) = PHASE_TWO_HOP;
  S(reader, S_STAGE) = NP_STAGE_SEARCH;
  S(reader, S_PLAN) = NP_PLAN_TWO_HOP;
  S(reader, S_CURSOR) = 0;
  S(reader, S_EF) = ef;
  S(reader, S_SIZE) = min_u32(S(reader, S_SIZE), ef);
  for (u32 i = 0; i < S(reader, S_SIZE); i++) queue[i] &= ~1ull;
  visit_only(reader, count, queue, S(reader, S_SIZE));
  S(reader, S_LOGGED) = NP_NONE; /* of what it will visit no log is kept */
  bit_set(visited, count); /* what stands for no node at all */
  if (entry < count) {
    u32 start = find_start(s, q, entry, count);
    n = two_hop_gather(s, mask, count, visited, &start, 1, found, &reads);
  }
  u32 spread = mask_spread(mask, count, S(reader, S_MATCHING), SEEDS, seeds);
  for (u32 i = 0; i < spread; i++) {
    found[n] = seeds[i];
    n += !bit_get(visited, seeds[i]);
    bit_set(visited, seeds[i]);
  }
  distances_to(s, q, found, n, distances);
  queue_offer(queue, &S(reader, S_SIZE), ef, ~0ull, found, distances, n);
  S(reader, S_DISTANCES) += n;
  S(reader, S_HOPS) += reads + 1;
}

/* How to search among the pins of the mask. */
static void start_masked(const Shape *s, const Query *q, u32 reader) {
  u32 matching = S(reader, S_MATCHING);
  if (S(reader, S_EXACT) || matching <= SCAN_FINE) start_fine_scan(reader);
  else if (is_scan_cheaper(reader)) start_scan(reader);
  else start_two_hop(s, q, reader);
}

/* Uses the filter's mask where one is kept. */
static void use_kept_mask(u32 reader) {
  u32 slot = find_mask(reader, SCRATCH(u32, reader, H_S_INPUT), S(reader, S_PROGRAM_WORDS));
  if (slot == NP_NONE) return;
  S(reader, S_FILTERED) = NP_FILTER_MASK;
  S(reader, S_MASK) = mask_slot(slot) + MASK_HEAD_BYTES + NP_MASK_PROGRAM_BYTES;
  S(reader, S_MASK_CACHED) = 1;
  S(reader, S_MATCHING) = load(mask_head(slot, MASK_MATCHING));
}

/* Evaluates the filter on every row. */
static void start_rows(u32 reader) {
  S(reader, S_PHASE) = PHASE_MASK;
  S(reader, S_STAGE) = NP_STAGE_FILTER;
  S(reader, S_MASK) = scratch_of(reader) + H(H_S_MATCHES);
  S(reader, S_CURSOR) = S(reader, S_MATCHING) = 0;
}

/* Searches among the pins of the filter's mask, which has to be evaluated first where none was kept, after the sketch of
 * a column that it asks for, where that is still to be filled. */
static void start_mask(const Shape *s, const Query *q, u32 reader) {
  if (S(reader, S_FILTERED) == NP_FILTER_MASK) {
    start_masked(s, q, reader);
    return;
  }
  start_rows(reader);
  S(reader, S_SKETCH) = claim_sketch(reader, S(reader, S_COUNT));
  if (S(reader, S_SKETCH) != NP_NONE) S(reader, S_PHASE) = PHASE_SKETCH;
}

/* One sketch a search: one that could not be offered, because too much has changed, could not be a second time either. */
static void run_sketch(u32 reader, i32 *budget) {
  u32 slot = S(reader, S_SKETCH);
  sketch_fill(slot, &S(reader, S_CURSOR), S(reader, S_COUNT), budget);
  if (S(reader, S_CURSOR) < S(reader, S_COUNT)) return;
  offer(sketch_head(slot, SKETCH_STATE), reader, S(reader, S_CHANGES), sketch_row, slot);
  start_rows(reader);
}

static void run_mask(const Shape *s, const Query *q, u32 reader, i32 *budget) {
  const u32 *program = SCRATCH(u32, reader, H_S_INPUT);
  u32 *mask = MASK(reader), count = S(reader, S_COUNT), whole = S(reader, S_WHOLE);
  S(reader, S_MATCHING) += mask_fill(mask, program, &S(reader, S_CURSOR), count, whole, budget);
  if (S(reader, S_CURSOR) < count) return;
  S(reader, S_FILTERED) = NP_FILTER_MASK;
  keep_mask(reader, program, S(reader, S_PROGRAM_WORDS), mask, count, S(reader, S_MATCHING), S(reader, S_CHANGES));
  start_masked(s, q, reader);
}

/* Ordinals of a batch of a scan, and the most that it may come to. */
#define SCANNED_TOGETHER 32
#define SCANNED_MAX (SCANNED_TOGETHER + 64)

/* The next ordinals, from S_CURSOR on, that the mask accepts, where there is one, and that were not visited; returns how
 * many. Two of each 64 are written whether there are any or not: how many there are, nothing could predict. */
static u32 next_scanned(u32 reader, u32 *out) {
  const u64 *visited = (const u64 *)visited_of(reader), *mask = AT(u64, S(reader, S_MASK));
  u32 masked = S(reader, S_FILTERED) == NP_FILTER_MASK, count = S(reader, S_COUNT), n = 0;
  u32 at = S(reader, S_CURSOR), any_visited = S(reader, S_LOGGED) != 0;
  for (; at < count && n < SCANNED_TOGETHER; at += 64) {
    u64 bits = masked ? mask[at / 64] : ~0ull;
    if (any_visited) bits &= ~visited[at / 64];
    if (count - at < 64) bits &= (1ull << (count - at)) - 1;
    u32 found = (u32)__builtin_popcountll(bits);
    for (u32 i = 0; i < 2; i++, bits &= bits - 1) out[n + i] = at + (u32)__builtin_ctzll(bits | 1ull << 63);
    for (u32 i = 2; bits; i++, bits &= bits - 1) out[n + i] = at + (u32)__builtin_ctzll(bits);
    n += found;
  }
  S(reader, S_CURSOR) = at;
  return n;
}

/* Scan by the finest level, straight into the hits. */
static void run_fine_scan(const Shape *s, const Query *q, u32 reader, i32 *budget) {
  u64 *hits = SCRATCH(u64, reader, H_S_HITS);
  u32 found[SCANNED_MAX + 2], size = S(reader, S_HITS), k = S(reader, S_K);
  /* a mask is of live ones */
  u32 all_live = (S(reader, S_FILTERED) == NP_FILTER_MASK || S(reader, S_WHOLE)) && !any_limbo();
  while (S(reader, S_CURSOR) < S(reader, S_COUNT) && *budget > 0) {
    u32 n = next_scanned(reader, found);
    for (u32 i = 0; i < n; i++) {
      if (!all_live && !is_live(found[i])) continue;
      queue_insert(hits, &size, k, key_of(distance_fine(s, q, found[i]), found[i]));
      S(reader, S_DISTANCES)++;
    }
    *budget -= (i32)n + 1;
  }
  S(reader, S_HITS) = size;
}

/* Scan by codes, into the queue. */
static void run_scan(const Shape *s, const Query *q, u32 reader, i32 *budget) {
  u64 *queue = SCRATCH(u64, reader, H_S_QUEUE);
  u32 found[SCANNED_MAX + 2];
  f32 distances[SCANNED_MAX];
  while (S(reader, S_CURSOR) < S(reader, S_COUNT) && *budget > 0) {
    u32 n = next_scanned(reader, found);
    distances_to(s, q, found, n, distances);
    queue_offer(queue, &S(reader, S_SIZE), S(reader, S_EF_ASKED), ~0ull, found, distances, n);
    S(reader, S_DISTANCES) += n;
    *budget -= (i32)n + 1;
  }
}

/* They are fetched from memory so many at a time: a load that misses blocks those after it as soon as the processor has
 * looked a few hundred instructions ahead, so the loads must stand close together. */
#define RESCORED_TOGETHER 16

/* Rescores the nearest accepted candidates by the finest level. A code leaves a part of the distance out, and it is much
 * the same part for all that are near; so once the next candidate would be too far even with a part as far below the
 * average as twice the least that was seen, the rest is not looked at. */
static u32 rescore(const Shape *s, const Query *q, u32 reader) {
  const u64 *queue = SCRATCH(u64, reader, H_S_QUEUE);
  u64 *hits = SCRATCH(u64, reader, H_S_HITS);
  u32 k = S(reader, S_K), queued = S(reader, S_SIZE), size = 0, rescored = 0, far = 0;
  u32 wanted = rescored_max(k, S(reader, S_EF_ASKED));
  /* so many were judged; of the last of them, from `first` on, those that are accepted and left */
  u32 judged = 0, first = 0, left = 0, ordinals[JUDGED_TOGETHER];
  f32 unit = coarse_unit(s), least = __builtin_inff(), sum = 0;
  while (rescored < wanted && !far) {
    u32 candidates[RESCORED_TOGETHER], n = 0;
    f32 coarse[RESCORED_TOGETHER], distances[RESCORED_TOGETHER];
    for (u32 most = min_u32(RESCORED_TOGETHER, wanted - rescored); n < most; left &= left - 1) {
      while (!left && judged < queued) {
        u32 together = min_u32(JUDGED_TOGETHER, queued - judged);
        left = accepted_of(reader, queue + judged, together, ordinals);
        first = judged;
        judged += together;
      }
      if (!left) break;
      u32 i = (u32)__builtin_ctz(left);
      candidates[n] = ordinals[i];
      coarse[n++] = key_distance(queue[first + i]) * unit;
    }
    if (n == 0) break;
    for (u32 i = 0; i < n; i++) touch_fine(s, candidates[i]);
    u32 compared = 0;
    /* of those before: what is found in this round is merged at its end */
    f32 furthest = size == k ? key_distance(hits[k - 1]) : __builtin_inff();
    for (; compared < n; compared++) {
      far = rescored >= k + RESCORED_MIN && coarse[compared] + 2 * least - sum / (f32)rescored > furthest;
      if (far) break;
      distances[compared] = distance_fine(s, q, candidates[compared]);
      f32 rest = distances[compared] - coarse[compared];
      if (rest < least) least = rest;
      sum += rest;
      rescored++;
    }
    queue_offer(hits, &size, k, ~0ull, candidates, distances, compared);
  }
  S(reader, S_DISTANCES) += rescored;
  return S(reader, S_HITS) = size;
}

static i32 finished(u32 reader) {
  S(reader, S_PHASE) = PHASE_DONE;
  return NP_DONE;
}

/* How many of the n nearest candidates are accepted, counted until there are `enough`. */
static u32 count_accepted(u32 reader, u32 n, u32 enough) {
  const u64 *queue = SCRATCH(u64, reader, H_S_QUEUE);
  u32 ordinals[JUDGED_TOGETHER], sum = 0;
  for (u32 i = 0; i < n && sum < enough; i += JUDGED_TOGETHER)
    sum += (u32)__builtin_popcount(accepted_of(reader, queue + i, min_u32(JUDGED_TOGETHER, n - i), ordinals));
  return sum;
}

/* Whether the nearest candidates of the graph hold as many matching ones as are wanted, far enough from the last one
 * for nearer ones not to be missed. */
static u32 is_dense(u32 reader) {
  return count_accepted(reader, S(reader, S_SIZE) / DEPTH, S(reader, S_K)) >= S(reader, S_K);
}

/* Whether about as many of the nearest candidates match as are expected of any: where the filter follows the vectors,
 * the matching ones may be far from the query. */
static u32 is_promising(u32 reader) {
  u32 n = min_u32(S(reader, S_SIZE), S(reader, S_EF_ASKED));
  return (u64)count_accepted(reader, n, n) * PROMISING * S(reader, S_SAMPLED) >= (u64)n * S(reader, S_ACCEPTED);
}

/* Leaves only accepted candidates in the queue. */
static void keep_accepted(u32 reader) {
  u64 *queue = SCRATCH(u64, reader, H_S_QUEUE);
  u32 ordinals[JUDGED_TOGETHER], kept = 0, size = S(reader, S_SIZE);
  for (u32 i = 0; i < size; i += JUDGED_TOGETHER) {
    u32 bits = accepted_of(reader, queue + i, min_u32(JUDGED_TOGETHER, size - i), ordinals);
    for (; bits; bits &= bits - 1) queue[kept++] = queue[i + (u32)__builtin_ctz(bits)];
  }
  S(reader, S_SIZE) = kept;
}

static void start_search(const Shape *s, const Query *q, u32 reader) {
  u32 filtered = S(reader, S_FILTERED), width = S(reader, S_EF_ASKED);
  if (filtered) use_kept_mask(reader);
  if (filtered && !S(reader, S_EXACT)) {
    estimate(reader);
    width = width_of_graph(reader);
  }
  if (!S(reader, S_EXACT) && width > 0) start_graph(s, q, reader, width);
  else if (filtered) start_mask(s, q, reader);
  else start_fine_scan(reader);
}

/* Where every candidate is wanted; a product is no length that could be compared as one. */
INLINE Width width_for(const Shape *s, u32 ef, u32 k) {
  return s->metric == NP_METRIC_DOT ? whole_width(ef) : adaptive_width(ef, k);
}

/* Whether a search that is timed stops here, so that its rescoring begins with a call of its own. */
INLINE u32 stops_to_rescore(u32 reader) {
  if (!S(reader, S_TIMED) || S(reader, S_STAGE) == NP_STAGE_RESCORE) return 0;
  S(reader, S_STAGE) = NP_STAGE_RESCORE;
  return 1;
}

static i32 run_search(const Shape *s, const Query *q, u32 reader, i32 budget) {
  u32 count = S(reader, S_COUNT), stage = S(reader, S_STAGE), timed = S(reader, S_TIMED);
  while (budget > 0 && !(timed && S(reader, S_STAGE) != stage)) {
    u32 ef = S(reader, S_EF), k = S(reader, S_K), phase = S(reader, S_PHASE);
    if (phase == PHASE_SKETCH) {
      run_sketch(reader, &budget);
    } else if (phase == PHASE_MASK) {
      run_mask(s, q, reader, &budget);
    } else if (phase == PHASE_FINE_SCAN) {
      run_fine_scan(s, q, reader, &budget);
      if (S(reader, S_CURSOR) >= count) return finished(reader);
    } else if (phase == PHASE_SCAN) {
      run_scan(s, q, reader, &budget);
      if (S(reader, S_CURSOR) < count || stops_to_rescore(reader)) continue;
      rescore(s, q, reader);
      return finished(reader);
    } else if (phase == PHASE_TWO_HOP) {
      Width w = width_for(s, ef, k);
      two_hop(s, q, MASK(reader), &w, SCRATCH(u64, reader, H_S_QUEUE), &S(reader, S_SIZE), &S(reader, S_CURSOR),
              SCRATCH(u32, reader, H_S_VISITED), count, &budget, &S(reader, S_DISTANCES), &S(reader, S_HOPS));
      if (S(reader, S_CURSOR) < S(reader, S_SIZE) || stops_to_rescore(reader)) continue;
      if (rescore(s, q, reader) >= min_u32(k, S(reader, S_MATCHING))) return finished(reader);
      /* the matching ones do not hang together */
      start_scan(reader);
    } else {
      u32 filtered = S(reader, S_FILTERED), probing = filtered && S(reader, S_DISTANCES) < PROBE;
      /* of a filtered search's candidates not all are wanted, so where the last of those stands is not known */
      Width w = filtered ? whole_width(ef) : width_for(s, ef, k);
      i32 slice = probing ? (i32)min_u32((u32)budget, PROBE - S(reader, S_DISTANCES)) : budget, left = slice;
      beam(s, q, reader, 0, &w, SCRATCH(u64, reader, H_S_QUEUE), &S(reader, S_SIZE), &S(reader, S_CURSOR), count, &left,
           &S(reader, S_HOPS));
      budget -= slice - left;
      S(reader, S_DISTANCES) += (u32)(slice - left);
      u32 running = S(reader, S_CURSOR) < S(reader, S_SIZE);
      if (running && (!probing || S(reader, S_DISTANCES) < PROBE || is_promising(reader))) continue;
      if (!running && stops_to_rescore(reader)) continue;
      if (filtered) {
        if (!running && is_dense(reader)) {
          rescore(s, q, reader);
          return finished(reader);
        }
        keep_accepted(reader);
        start_mask(s, q, reader);
      } else {
        u32 live = S(reader, S_MATCHING);
        if (rescore(s, q, reader) >= min_u32(k, live)) return finished(reader);
        /* too many of the candidates are deleted: look wider, or at everything when that is cheaper */
        if (ef * 4 > NP_EF_MAX || ef * 4 > live) start_fine_scan(reader);
        else start_graph(s, q, reader, ef * 4);
      }
    }
  }
  return NP_RUNNING;
}

/* The hits, nearest first; of an interrupted search, the best of what it has found. */
static void write_hits(u32 reader) {
  u32 phase = S(reader, S_PHASE);
  if (phase != PHASE_FINE_SCAN && phase != PHASE_DONE) {
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
