/*
 * Every number of the shard's memory that C and TypeScript share. src/core/layout.ts states the same ones; a test
 * compares the two files, so change both. Byte counts and word indexes only, no code.
 *
 *   0 .. HEADER          nothing: address 0 stays unused, so that a stray null shows
 *   HEADER               the header: u32 words, named H_... below
 *   READER_EPOCHS        one cache line per reader slot: the epoch that the reader searches in (0: idle), and which of the
 *                        masks it uses, plus 1 (0: none)
 *   SCRATCH (computed)   per reader slot: stack, query, queue, results, filter program, bitmaps
 *   MASKS (computed)     a ring of what changed last, then slots of head, program and bitmap: see masks.h
 *   SKETCHES (computed)  slots of head, quantiles and a code per ordinal: see sketch.h
 *   BASIS (computed)     with lead codes: the mean f32[padded dim], then the directions f32[padded dim] each: as many as the
 *                        lead has, or with an i4 level as there are dimensions
 *   BLOCKS (computed)    blocks of 2^blockShift ordinals: codes | links | nodes | attribute columns | fine vectors | heap
 *
 * Everything below BASIS belongs to the running process; a segment file holds the config words, the state words, the
 * basis and the blocks. Nothing in a block is an absolute address: ordinals count from 0, links from 1 (0 ends a list, so
 * a fresh page is an empty list), heap references count bytes from BLOCKS.
 */
#ifndef NP_LAYOUT_H
#define NP_LAYOUT_H

#define NP_LAYOUT_VERSION 5
#define NP_PAGE 65536
#define NP_HEADER 1024
#define NP_HEADER_BYTES 4096
#define NP_READER_EPOCHS 5120
#define NP_READER_EPOCH_STRIDE 64
#define NP_READERS_MAX 65
#define NP_SCRATCH_BASE 16384

#define NP_NONE 0xffffffff

/* metric, code and fine kinds */
#define NP_METRIC_COSINE 0
#define NP_METRIC_DOT 1
#define NP_METRIC_L2 2
#define NP_CODE_F32 0
#define NP_CODE_I8 1
#define NP_FINE_NONE 0
#define NP_FINE_F32 1
#define NP_FINE_I10 2
#define NP_FINE_I4 3

/* header words: config, written by the host before np_create or np_open; kept in the segment */
#define H_LAYOUT_VERSION 0
#define H_DIM 1
#define H_METRIC 2
#define H_CODE 3
#define H_FINE 4
#define H_M 5
#define H_M0 6
#define H_EF_CONSTRUCTION 7
#define H_ALPHA 8
#define H_SEED 9
#define H_BLOCK_SHIFT 10
#define H_HEAP_BYTES 11
#define H_ROW_STRIDE 12
#define H_LISTS_OFFSET 13
#define H_LISTS 14
#define H_LEAD 15
#define H_CONFIG_WORDS 16

/* header words: set by the host for this process */
#define H_READERS 16
#define H_LIMIT_PAGES 17

/* header words: derived from the above by np_layout */
#define H_CODE_STRIDE 18
#define H_FINE_STRIDE 19
#define H_OFF_LINKS 20
#define H_OFF_NODES 21
#define H_OFF_ROWS 22
#define H_OFF_FINE 23
#define H_OFF_HEAP 24
#define H_BLOCK_BYTES 25
#define H_BLOCKS_BASE 26
#define H_BLOCKS_MAX 27
#define H_SCRATCH_STRIDE 28
#define H_S_VECTOR 29
#define H_S_QUEUE 30
#define H_S_HITS 31
#define H_S_INPUT 32
#define H_S_VISITED 33
#define H_S_MATCHES 34
#define H_S_WORK 35
#define H_PADDED 36
#define H_CODE_TAIL 37
#define H_CODE_DIM 38
#define H_BASIS 39

/* header words: state of the graph, kept in the segment */
#define H_STATE 40
#define H_COUNT 40
#define H_LIVE 41
#define H_BLOCKS 42
#define H_ENTRY 43
#define H_MAX_LEVEL 44
#define H_PRNG 45
#define H_FREE 46
#define H_PENDING 47
#define H_LIMBO_SWEPT 48
#define H_LIMBO_NEW 49
#define H_SWEEP_CURSOR 50
#define H_HEAP_BLOCK 52
#define H_HEAP_USED 53
#define H_HEAP_FREE 64
#define NP_HEAP_CLASSES 520
#define H_STATE_END 584

/* header words: of this process again */
#define H_S_LOG 589
#define H_EPOCH 590
#define H_PENDING_EPOCH 591
#define H_MASKS 592
#define H_MASK_STRIDE 593
#define H_MASK_HAND 594
#define H_CHANGES 595
#define H_SKETCHES 596
#define H_SKETCH_STRIDE 597

/* a node: 12 bytes an ordinal. Its record on the heap: the links of its levels from 1 on, then its id */
#define NP_NODE_BYTES 12
#define NODE_PARENT 0
#define NODE_RECORD 4
#define NODE_LEVEL 8
#define NODE_STATUS 9
#define NODE_CHILDREN 10
#define NODE_FREE 0
#define NODE_LIVE 1
#define NODE_LIMBO 2

/* bytes from one ordinal's cell of an attribute to the next one's */
#define NP_CELL_STRIDE 8

/* an i8 code: the values, padded to a multiple of 4; then two f32, scale and bias. An f32 code: the values.
 * An i10 residual: the values' upper 8 bits, padded to a multiple of 16; their lower 2 bits, padded to a multiple of 64
 * values, four in a byte; then the same two f32.
 * An i4 level: i8 values of the components that the code has not, padded to a multiple of 4; 4 further bits of every
 * component, two in a byte, padded to a multiple of 16 components; then the scale of the former, and the bias. */
#define CODE_SCALE 0
#define CODE_BIAS 4
#define CODE_TAIL_BYTES 8

/* scratch of one reader: the stack lies at its start and grows down from NP_STACK_BYTES; then the search's state */
#define NP_STACK_BYTES 131072
#define NP_SEARCH_STATE 131072
#define NP_SEARCH_STATE_BYTES 256
#define S_PHASE 0
#define S_K 1
#define S_EF 2
#define S_CURSOR 3
#define S_SIZE 4
#define S_COUNT 5
#define S_MATCHING 6
#define S_FILTERED 7
#define S_DISTANCES 8
#define S_HOPS 9
#define S_HITS 10
#define S_PLAN 11
#define S_ENTRY 12
#define S_LOGGED 13
#define S_EF_ASKED 14
#define S_EXACT 15
#define S_SAMPLED 16
#define S_ACCEPTED 17
#define S_PROGRAM_WORDS 18
#define S_CHANGES 19
#define S_WHOLE 20
#define S_MASK 21
#define S_MASK_CACHED 22
#define S_SKETCH 23
#define S_TIMED 24
#define S_STAGE 25

/* what S_STAGE says: what the search goes on with. One that is timed stops between two stages */
#define NP_STAGE_SEARCH 0
#define NP_STAGE_FILTER 1
#define NP_STAGE_RESCORE 2

/* what S_FILTERED says: how to know whether an ordinal matches */
#define NP_FILTER_NONE 0
#define NP_FILTER_ROWS 1
#define NP_FILTER_MASK 2

#define NP_EF_MAX 8192
#define NP_LOG_MAX 16384
#define NP_K_MAX 2048
#define NP_INPUT_BYTES 131072
#define NP_LEVEL_MAX 15
#define NP_M_MAX 64
#define NP_FILTER_STACK 64

/* kept masks, the longest program of one, and how many changes of the writer the ring holds */
#define NP_MASKS 16
#define NP_MASK_PROGRAM_BYTES 16384
#define NP_CHANGES_NOTED 1024
/* number columns that have a sketch, at most */
#define NP_SKETCHES 4

/* what np_search and np_resume answer */
#define NP_DONE 0
#define NP_RUNNING 1
/* what np_insert and np_remove answer instead of an ordinal */
#define NP_FULL -1
#define NP_UNKNOWN -2

/* plans */
#define NP_PLAN_GRAPH 0
#define NP_PLAN_SCAN 1
#define NP_PLAN_TWO_HOP 2

/* findings of np_validate */
#define NP_VALID 0
#define NP_BAD_LINK 1
#define NP_SELF_LINK 2
#define NP_DUPLICATE_LINK 3
#define NP_DANGLING_LINK 4
#define NP_BAD_ENTRY 5
#define NP_UNREACHABLE 6
#define NP_BAD_LEVEL 7
#define NP_BAD_COUNT 8
#define NP_BAD_REFERENCE 9

#endif
