/** Numbers of the indexes, and of the process, in the text format of Prometheus (prometheus.io/docs/instrumenting/exposition_formats). */
import type { FastifyInstance } from 'fastify';
import type { IndexDescription } from '../../retrieval/contract.ts';
import { describeIndex } from '../../retrieval/describe.ts';
import type { Aftermath } from '../aftermath.ts';
import type { Catalog } from '../catalog.ts';

interface Gauge {
  readonly name: string;
  readonly help: string;
  readonly of: (index: IndexDescription) => number | undefined;
}

const GAUGES: readonly Gauge[] = [
  { name: 'nearpin_pins', help: 'Pins that can be found.', of: ({ count }) => count },
  { name: 'nearpin_memory_bytes', help: 'Shared memory of the shards.', of: ({ bytes }) => bytes },
  { name: 'nearpin_seq_written', help: 'Last update on the disk.', of: ({ live }) => live?.seqWritten },
  {
    name: 'nearpin_seq_searchable',
    help: 'Last update that can be found.',
    of: ({ live }) => live?.seqSearchable,
  },
  {
    name: 'nearpin_lag_seconds',
    help: 'Age of the oldest update that cannot be found yet.',
    of: ({ live }) => live && live.lagMs / 1000,
  },
  { name: 'nearpin_waiting_pins', help: 'Pins in writes that wait.', of: ({ live }) => live?.waitingPins },
  { name: 'nearpin_shard_fill_ratio', help: 'How full the fullest shard is.', of: ({ live }) => live?.fill },
  { name: 'nearpin_warnings', help: 'Warnings of the index.', of: ({ live }) => live?.warnings.length },
  {
    name: 'nearpin_generation',
    help: 'Number of the generation that is served.',
    of: ({ generation }) => Number(generation),
  },
  {
    name: 'nearpin_experiments',
    help: 'Experiments of the mixer config in force.',
    of: ({ mixer }) => mixer?.experiments.length,
  },
  {
    name: 'nearpin_mixer_problem',
    help: '1 while the newest mixer config is not in force.',
    of: ({ mixer }) => mixer && Number(mixer.problem !== undefined),
  },
];

interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  /** Added to the family's name. */
  readonly suffix?: string;
  readonly value: number;
}

interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: 'gauge' | 'counter' | 'summary';
  readonly samples: readonly Sample[];
}

const escaped = (text: string): string => text.replace(/[\\"\n]/g, (c) => (c === '\n' ? '\\n' : `\\${c}`));

function linesOf({ name, help, type, samples }: Family): string[] {
  return [
    `# HELP ${name} ${help}`,
    `# TYPE ${name} ${type}`,
    ...samples.map(({ labels = {}, suffix = '', value }) => {
      const pairs = Object.entries(labels).map(([key, text]) => `${key}="${escaped(text)}"`);
      return `${name}${suffix}${pairs.length > 0 ? `{${pairs.join(',')}}` : ''} ${value}`;
    }),
  ];
}

function ofIndexes(indexes: readonly IndexDescription[]): Family[] {
  return GAUGES.map(({ name, help, of }) => ({
    name,
    help,
    type: 'gauge',
    samples: indexes.flatMap((index) => {
      const value = of(index);
      return value === undefined ? [] : [{ labels: { index: index.name }, value }];
    }),
  }));
}

/** Of all indexes together: they share the threads. */
const ofThreads = (searchCpuS: () => number): Family => ({
  name: 'nearpin_search_cpu_seconds_total',
  help: 'CPU time that search threads spent in the core.',
  type: 'counter',
  samples: [{ value: searchCpuS() }],
});

/** Of experiments and shadows: nothing where there was none. */
function ofAftermath({ exposures, shadows }: Aftermath): Family[] {
  const families: Family[] = [];
  if (exposures) {
    const { waiting: _, ...counts } = exposures.counts();
    families.push({
      name: 'nearpin_exposures_total',
      help: 'Records of experiments that were written, found the buffer full (dropped) or could not be written (failed).',
      type: 'counter',
      samples: Object.entries(counts).map(([outcome, value]) => ({ labels: { outcome }, value })),
    });
  }
  const counted = shadows.counts();
  if (counted.length === 0) return families;
  const labelled = counted.map((counts) => ({
    ...counts,
    labels: { index: counts.index, shadow: counts.name },
  }));
  families.push(
    {
      name: 'nearpin_shadow_requests_total',
      help: 'Requests that a shadow was to answer as well.',
      type: 'counter',
      samples: labelled.flatMap(({ labels, compared, failed, dropped }) =>
        Object.entries({ compared, failed, dropped }).map(([outcome, value]) => ({
          labels: { ...labels, outcome },
          value,
        })),
      ),
    },
    {
      name: 'nearpin_shadow_overlap',
      help: 'Share of hits that the answer and its shadow have in common.',
      type: 'summary',
      samples: labelled.flatMap(({ labels, overlap, compared }) => [
        { labels, suffix: '_sum', value: overlap },
        { labels, suffix: '_count', value: compared },
      ]),
    },
    {
      name: 'nearpin_shadow_seconds',
      help: 'Time that the requests which were compared took, as they were answered and in the shadow.',
      type: 'summary',
      samples: labelled.flatMap(({ labels, tookMs, shadowTookMs, compared }) =>
        Object.entries({ answer: tookMs, shadow: shadowTookMs }).flatMap(([side, ms]) => [
          { labels: { ...labels, side }, suffix: '_sum', value: ms / 1000 },
          { labels: { ...labels, side }, suffix: '_count', value: compared },
        ]),
      ),
    },
  );
  return families;
}

/** @param searchCpuS CPU time that searches have taken so far, in seconds */
export function metricsRoute(
  app: FastifyInstance,
  catalog: Catalog,
  aftermath: Aftermath,
  searchCpuS?: () => number,
): void {
  app.get('/metrics', { config: { scope: 'admin' }, schema: { hide: true } }, (_request, reply) => {
    const indexes = catalog
      .list()
      .flatMap((entry) => (entry.status === 'ready' ? [describeIndex(entry.index)] : []));
    const families = [
      ...ofIndexes(indexes),
      ...(searchCpuS ? [ofThreads(searchCpuS)] : []),
      ...ofAftermath(aftermath),
    ];
    return reply
      .header('content-type', 'text/plain; version=0.0.4; charset=utf-8')
      .send(`${families.flatMap(linesOf).join('\n')}\n`);
  });
}
