/** What an index is, and how its writing stands. */
import type { IndexDescription } from '../../client/client.ts';
import { bytes, milliseconds, percent, whole } from '../state/format.ts';

export function IndexFacts({ index }: { readonly index: IndexDescription }) {
  const { config, live } = index;
  const attributes = Object.entries(config.attributes);
  const facts: [string, string][] = [
    ['Pins', whole(index.count)],
    ['Model', index.model ?? 'none: vectors come from outside'],
    ['Vectors', `${whole(config.dim)} dimensions, ${config.metric}, ${config.precision}`],
    [
      'Graph',
      `M ${config.m}, efConstruction ${config.efConstruction}, ef ${index.defaultEf} when not asked for`,
    ],
    ['Attributes', attributes.map(([name, type]) => `${name} (${type})`).join(', ') || 'none'],
    ['Memory', bytes(index.bytes)],
    ['Engine', index.engine],
    ['Generation', index.generation],
    ['Last update', whole(index.seq)],
  ];
  if (live)
    facts.push(
      ['Writes', live.readOnly === null ? 'taken' : `refused: ${live.readOnly}`],
      ['On the disk', `update ${whole(live.seqWritten)}`],
      ['Can be found', `update ${whole(live.seqSearchable)}, lag ${milliseconds(live.lagMs)}`],
      ['Waiting', `${whole(live.waitingPins)} pins`],
      ['Fullest shard', `${percent(live.fill)} of ${bytes(live.limitBytes)}`],
    );
  if (index.mixer) {
    const { experiments, shadows, problem } = index.mixer;
    facts.push(
      ['Experiments', experiments.join(', ') || 'none'],
      ['Shadows', shadows.join(', ') || 'none'],
      ...(problem ? [['Mixer config', `${problem.message} (${problem.code})`] as [string, string]] : []),
    );
  }
  return (
    <section class="sheet">
      <h2>What it is</h2>
      <dl class="table">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
