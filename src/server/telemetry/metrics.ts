/**
 * Every metric that there is, in the order in which they are shown. Labels have few values: routes, statuses, codes and
 * stages are lists of this program, `index` names indexes that exist; nothing of a request becomes one.
 */

export type MetricType = 'gauge' | 'counter' | 'summary' | 'histogram';

export interface Metric {
  readonly type: MetricType;
  readonly help: string;
  readonly labels: readonly string[];
}

const metric = (type: MetricType, help: string, ...labels: string[]): Metric => ({ type, help, labels });

export const METRICS = {
  nearpin_build_info: metric('gauge', 'Always 1; the version is a label.', 'version', 'node'),

  nearpin_http_request_duration_seconds: metric(
    'histogram',
    'Time from the head of a request to its answer.',
    'method',
    'route',
    'status',
  ),
  nearpin_http_requests_in_flight: metric('gauge', 'Requests that have come and are not answered.'),
  nearpin_problems_total: metric('counter', 'Refusals, by the code of their problem.', 'code'),
  nearpin_admitted_requests: metric('gauge', 'Requests that were taken in and are not answered.', 'gate'),
  nearpin_admission_limit: metric(
    'gauge',
    'Requests beyond which none is taken in, but for bursts: as many as are answered in time at the rate of now.',
    'gate',
  ),
  nearpin_stage_duration_seconds: metric(
    'histogram',
    'Time of the stages of requests; of queue, search, filter and rescore, for each shard that was searched.',
    'stage',
  ),

  nearpin_answers_total: metric(
    'counter',
    'Answers of searches; degraded when a deadline left a shard unsearched.',
    'index',
    'coverage',
  ),
  nearpin_shard_searches_total: metric(
    'counter',
    'Searches of shards, by what gave their hits.',
    'index',
    'plan',
  ),
  nearpin_shard_search_distances_total: metric(
    'counter',
    'Distances that searches of shards computed.',
    'index',
    'plan',
  ),
  nearpin_shard_search_visited_nodes_total: metric(
    'counter',
    'Nodes whose links searches of shards read.',
    'index',
    'plan',
  ),
  nearpin_search_cpu_seconds_total: metric('counter', 'CPU time of searches in the core, in all threads.'),

  nearpin_recall_ratio: metric(
    'gauge',
    'Share of their true neighbours that live queries found, of the last 1000 that were replayed exactly; ef is an upper bound.',
    'index',
    'ef',
    'filtered',
  ),
  nearpin_recall_low_ratio: metric(
    'gauge',
    'Lower end of its 95 % confidence interval.',
    'index',
    'ef',
    'filtered',
  ),
  nearpin_recall_high_ratio: metric(
    'gauge',
    'Upper end of its 95 % confidence interval.',
    'index',
    'ef',
    'filtered',
  ),
  nearpin_recall_samples: metric('gauge', 'Queries that it is made of.', 'index', 'ef', 'filtered'),
  nearpin_recall_replays_total: metric(
    'counter',
    'Live queries that were to be replayed: compared, failed, or dropped because others waited.',
    'outcome',
  ),

  nearpin_pins: metric('gauge', 'Pins that can be found.', 'index'),
  nearpin_memory_bytes: metric('gauge', 'Shared memory of the shards.', 'index'),
  nearpin_shard_pins: metric('gauge', 'Pins of a shard.', 'index', 'shard'),
  nearpin_shard_memory_bytes: metric('gauge', 'Shared memory of a shard.', 'index', 'shard'),
  nearpin_shard_fill_ratio: metric('gauge', 'How full the fullest shard is.', 'index'),
  nearpin_pins_written_total: metric('counter', 'Pins in acknowledged writes.', 'index', 'operation'),
  nearpin_seq_written: metric('gauge', 'Last update on the disk.', 'index'),
  nearpin_seq_searchable: metric('gauge', 'Last update that can be found.', 'index'),
  nearpin_lag_seconds: metric('gauge', 'Age of the oldest update that cannot be found yet.', 'index'),
  nearpin_waiting_pins: metric('gauge', 'Pins in writes that wait.', 'index'),
  nearpin_words_pins: metric('gauge', 'Pins that can be found by words.', 'index'),
  nearpin_words_ready: metric('gauge', '1 when the words of the generation have been read.', 'index'),
  nearpin_warnings: metric('gauge', 'Warnings of the index.', 'index'),
  nearpin_generation: metric('gauge', 'Number of the generation that is served.', 'index'),
  nearpin_indexes: metric('gauge', 'Indexes that are known.', 'status'),

  nearpin_experiments: metric('gauge', 'Experiments of the mixer config in force.', 'index'),
  nearpin_mixer_problem: metric('gauge', '1 while the newest mixer config is not in force.', 'index'),
  nearpin_exposures_total: metric(
    'counter',
    'Records of experiments that were written, found the buffer full (dropped) or could not be written (failed).',
    'outcome',
  ),
  nearpin_shadow_requests_total: metric(
    'counter',
    'Requests that a shadow was to answer as well.',
    'index',
    'shadow',
    'outcome',
  ),
  nearpin_shadow_overlap: metric(
    'summary',
    'Share of hits that the answer and its shadow have in common.',
    'index',
    'shadow',
  ),
  nearpin_shadow_seconds: metric(
    'summary',
    'Time that the requests which were compared took, as they were answered and in the shadow.',
    'index',
    'shadow',
    'side',
  ),

  nearpin_audit_records_total: metric(
    'counter',
    'Records of the audit log that were written, or of refused requests left out (dropped) because many like them came or waited.',
    'outcome',
  ),
  nearpin_audit_waiting_records: metric('gauge', 'Records that nobody has begun to write yet.'),
  nearpin_audit_ready: metric('gauge', '1 while records can be kept; otherwise nothing can be changed.'),

  nearpin_certificate_expiry_timestamp_seconds: metric(
    'gauge',
    'When the certificate that listeners show ends, in seconds since the epoch.',
  ),
  nearpin_event_loop_delay_seconds: metric(
    'histogram',
    'How late the event loop is, looked at 50 times a second.',
  ),
  nearpin_event_loop_active_seconds_total: metric('counter', 'Time that the event loop was not idle.'),
  process_cpu_seconds_total: metric('counter', 'CPU time of the process.'),
  process_resident_memory_bytes: metric('gauge', 'Resident memory of the process.'),
  process_start_time_seconds: metric('gauge', 'When the process started, in seconds since the epoch.'),
  nodejs_heap_size_used_bytes: metric('gauge', 'Heap of the main thread in use.'),
  nodejs_heap_size_total_bytes: metric('gauge', 'Heap of the main thread.'),
  nodejs_external_memory_bytes: metric('gauge', 'Memory outside the heap that objects on it hold.'),
} as const satisfies Record<string, Metric>;

export type MetricName = keyof typeof METRICS;
