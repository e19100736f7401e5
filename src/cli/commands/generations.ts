/** `nearpin checkpoint`, `generations`, `publish` and `rollback`: which generation of an index is served. */
import { Command } from 'commander';
import { NearpinError } from '../../lib/errors.ts';
import type { GenerationDescription } from '../../retrieval/contract.ts';
import { adoptGeneration, removeGeneration } from '../../storage/generation.ts';
import { option } from '../options.ts';
import { formatBytes, formatTable, type Terminal, withCommas } from '../terminal.ts';
import { onTarget, type TargetOptions, targetOptions } from './target.ts';

const INDEX = 'directory of the index; with --url, its name';

function show(
  generations: readonly GenerationDescription[],
  shown: unknown,
  options: TargetOptions,
  terminal: Terminal,
): void {
  if (options.json) {
    terminal.print(JSON.stringify(shown));
    return;
  }
  const rows = generations.map(({ generation, isCurrent, seq, count, bytes, canPublish }) => [
    generation,
    withCommas(count),
    String(seq),
    formatBytes(bytes),
    isCurrent ? 'served' : canPublish ? '' : 'updates after it are gone',
  ]);
  terminal.print(formatTable([['generation', 'pins', 'seq', 'size', ''], ...rows]));
}

export function checkpointCommand(terminal: Terminal): Command {
  const command = new Command('checkpoint').argument('<index>', INDEX);
  for (const each of targetOptions()) command.addOption(each);
  return command.action(async (index: string, options: TargetOptions) => {
    const written = await onTarget(index, options, (target) => target.checkpoint());
    show([written], written, options, terminal);
  });
}

export function generationsCommand(terminal: Terminal): Command {
  const command = new Command('generations').argument('<index>', INDEX);
  for (const each of targetOptions()) command.addOption(each);
  return command.action(async (index: string, options: TargetOptions) => {
    const generations = await onTarget(index, options, (target) => target.generations());
    show(generations, { generations }, options, terminal);
  });
}

export function publishCommand(terminal: Terminal): Command {
  const command = new Command('publish')
    .argument('<index>', INDEX)
    .argument('[generation]', 'its name; with --from it is named anew')
    .addOption(
      option(
        '--from <dir>',
        'directory of a generation that was built elsewhere: it is copied into the index first, which is then named by ' +
          'its directory, also with --url, and the copy removed when it cannot be published',
      ),
    );
  for (const each of targetOptions()) command.addOption(each);
  return command.action(
    async (index: string, named: string | undefined, options: TargetOptions & { from?: string }) => {
      if ((named === undefined) === (options.from === undefined)) {
        throw new NearpinError('bad_request', 'give either the name of a generation or --from');
      }
      const generation = options.from === undefined ? named! : await adoptGeneration(index, options.from);
      const published = await onTarget(index, options, (target) => target.publish(generation)).catch(
        async (error) => {
          // One that was made current all the same, as when the answer did not come, stays
          if (options.from !== undefined) await removeGeneration(index, generation).catch(() => {});
          throw error;
        },
      );
      show([published], published, options, terminal);
    },
  );
}

export function rollbackCommand(terminal: Terminal): Command {
  const command = new Command('rollback').argument('<index>', INDEX);
  for (const each of targetOptions()) command.addOption(each);
  return command.action(async (index: string, options: TargetOptions) => {
    const published = await onTarget(index, options, async (target) => {
      const generations = await target.generations();
      const served = generations.findIndex(({ isCurrent }) => isCurrent);
      const before = generations.slice(0, Math.max(0, served)).findLast(({ canPublish }) => canPublish);
      if (!before) throw new NearpinError('unknown_generation', 'there is no generation to roll back to');
      return target.publish(before.generation);
    });
    show([published], published, options, terminal);
  });
}
