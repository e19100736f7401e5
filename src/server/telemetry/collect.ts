/** What indexes, experiments, shadows and the audit log tell of themselves when somebody asks for metrics. */
import type { IndexDescription } from '../../retrieval/contract.ts';
import { describeIndex } from '../../retrieval/describe.ts';
import type { Aftermath } from '../aftermath.ts';
import type { AuditLog } from '../auth/audit.ts';
import type { Catalog } from '../catalog.ts';
import { type Family, family } from './families.ts';
import type { MetricName } from './metrics.ts';

/** One value an index, where it has one. */
const GAUGES: Readonly<Partial<Record<MetricName, (index: IndexDescription) => number | undefined>>> = {
  nearpin_pins: ({ count }) => count,
  nearpin_memory_bytes: ({ bytes }) => bytes,
  nearpin_shard_fill_ratio: ({ live }) => live?.fill,
  nearpin_seq_written: ({ live }) => live?.seqWritten,
  nearpin_seq_searchable: ({ live }) => live?.seqSearchable,
  nearpin_lag_seconds: ({ live }) => live && live.lagMs / 1000,
  nearpin_waiting_pins: ({ live }) => live?.waitingPins,
  nearpin_words_pins: ({ live }) => live?.lexical?.pins,
  nearpin_words_ready: ({ live }) => live?.lexical && Number(live.lexical.isReady),
  nearpin_warnings: ({ live }) => live?.warnings.length,
  nearpin_generation: ({ generation }) => Number(generation),
  nearpin_experiments: ({ mixer }) => mixer?.experiments.length,
  nearpin_mixer_problem: ({ mixer }) => mixer && Number(mixer.problem !== undefined),
};

const STATUSES = ['ready', 'loading', 'failed'] as const;

export function familiesOfIndexes(catalog: Catalog): Family[] {
  const entries = catalog.list();
  const indexes = entries.flatMap((entry) => (entry.status === 'ready' ? [describeIndex(entry.index)] : []));
  const ofShards = (name: MetricName, of: (shard: IndexDescription['shards'][number]) => number) =>
    family(
      name,
      indexes.flatMap(({ name: index, shards }) =>
        shards.map((shard, i) => ({ labels: { index, shard: String(i) }, value: of(shard) })),
      ),
    );
  return [
    family(
      'nearpin_indexes',
      STATUSES.map((status) => ({
        labels: { status },
        value: entries.filter((entry) => entry.status === status).length,
      })),
    ),
    ...Object.entries(GAUGES).map(([name, of]) =>
      family(
        name as MetricName,
        indexes.flatMap((index) => {
          const value = of(index);
          return value === undefined || Number.isNaN(value) ? [] : [{ labels: { index: index.name }, value }];
        }),
      ),
    ),
    ofShards('nearpin_shard_pins', ({ count }) => count),
    ofShards('nearpin_shard_memory_bytes', ({ bytes }) => bytes),
  ];
}

/** Of experiments and shadows: no samples where there was none. */
export function familiesOfAftermath({ exposures, shadows }: Aftermath): Family[] {
  const { waiting: _, ...outcomes } = exposures?.counts() ?? { waiting: 0 };
  const counted = shadows.counts().map((counts) => ({
    ...counts,
    labels: { index: counts.index, shadow: counts.name },
  }));
  return [
    family(
      'nearpin_exposures_total',
      Object.entries(outcomes).map(([outcome, value]) => ({ labels: { outcome }, value })),
    ),
    family(
      'nearpin_shadow_requests_total',
      counted.flatMap(({ labels, compared, failed, dropped }) =>
        Object.entries({ compared, failed, dropped }).map(([outcome, value]) => ({
          labels: { ...labels, outcome },
          value,
        })),
      ),
    ),
    family(
      'nearpin_shadow_overlap',
      counted.flatMap(({ labels, overlap, compared }) => [
        { labels, suffix: '_sum', value: overlap },
        { labels, suffix: '_count', value: compared },
      ]),
    ),
    family(
      'nearpin_shadow_seconds',
      counted.flatMap(({ labels, tookMs, shadowTookMs, compared }) =>
        Object.entries({ answer: tookMs, shadow: shadowTookMs }).flatMap(([side, ms]) => [
          { labels: { ...labels, side }, suffix: '_sum', value: ms / 1000 },
          { labels: { ...labels, side }, suffix: '_count', value: compared },
        ]),
      ),
    ),
  ];
}

export function familiesOfAudit(audit: AuditLog): Family[] {
  const { waiting, ...outcomes } = audit.counts();
  return [
    family(
      'nearpin_audit_records_total',
      Object.entries(outcomes).map(([outcome, value]) => ({ labels: { outcome }, value })),
    ),
    family('nearpin_audit_waiting_records', [{ value: waiting }]),
    family('nearpin_audit_ready', [{ value: Number(audit.isReady) }]),
  ];
}
