/** Numbers of the indexes, and of the process, in the text format of Prometheus (prometheus.io/docs/instrumenting/exposition_formats). */
import type { FastifyInstance } from 'fastify';
import type { IndexDescription } from '../../retrieval/contract.ts';
import { describeIndex } from '../../retrieval/describe.ts';
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
];

/** Of all indexes together: they share the threads. */
const SEARCH_CPU = {
  name: 'nearpin_search_cpu_seconds_total',
  help: 'CPU time that search threads spent in the core.',
  type: 'counter',
};

const headOf = ({ name, help, type }: typeof SEARCH_CPU) => [
  `# HELP ${name} ${help}`,
  `# TYPE ${name} ${type}`,
];

const label = (text: string): string => text.replace(/[\\"\n]/g, (c) => (c === '\n' ? '\\n' : `\\${c}`));

/** @param searchCpuS CPU time that searches have taken so far, in seconds */
export function metricsRoute(app: FastifyInstance, catalog: Catalog, searchCpuS?: () => number): void {
  app.get('/metrics', { schema: { hide: true } }, (_request, reply) => {
    const indexes = catalog
      .list()
      .flatMap((entry) => (entry.status === 'ready' ? [describeIndex(entry.index)] : []));
    const lines = GAUGES.flatMap(({ name, help, of }) => [
      ...headOf({ name, help, type: 'gauge' }),
      ...indexes.flatMap((index) => {
        const value = of(index);
        return value === undefined ? [] : [`${name}{index="${label(index.name)}"} ${value}`];
      }),
    ]);
    if (searchCpuS) lines.push(...headOf(SEARCH_CPU), `${SEARCH_CPU.name} ${searchCpuS()}`);
    return reply
      .header('content-type', 'text/plain; version=0.0.4; charset=utf-8')
      .send(`${lines.join('\n')}\n`);
  });
}
