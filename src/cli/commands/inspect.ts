/** `nearpin inspect`: what an index is, from its manifest and its shards. */
import { join } from 'node:path';
import { Command } from 'commander';
import { type ShardStats, shardStats } from '../../core/shard.ts';
import { wasm } from '../../core/webassembly.ts';
import type { Manifest } from '../../index/manifest.ts';
import { loadShard } from '../../shards/shard-file.ts';
import { readCoreBinary } from '../../storage/core-binary.ts';
import { currentGeneration, listGenerations, readManifest } from '../../storage/generation.ts';
import { jsonOption } from '../options.ts';
import { formatBytes, formatTable, type Terminal, withCommas } from '../terminal.ts';

export function inspectCommand(terminal: Terminal): Command {
  return new Command('inspect')
    .argument('<index>', 'directory of the index')
    .addOption(jsonOption())
    .action((index: string, options: { json: boolean }) => inspect(index, options.json, terminal));
}

async function inspect(indexDir: string, asJson: boolean, terminal: Terminal): Promise<void> {
  const generation = await currentGeneration(indexDir);
  const generations = await listGenerations(indexDir);
  const dir = join(indexDir, generation);
  const manifest = await readManifest(dir);
  const module = new wasm.Module(readCoreBinary());
  const shards = manifest.shards.map((entry) =>
    shardStats(loadShard(join(dir, entry.file), entry, manifest.config, module, { readers: 0 })),
  );
  if (asJson) {
    terminal.print(JSON.stringify({ generation, generations, manifest, shards }));
  } else {
    terminal.print(describe(indexDir, generations, manifest, shards));
  }
}

function describe(
  indexDir: string,
  generations: readonly string[],
  manifest: Manifest,
  shards: readonly ShardStats[],
): string {
  const { config, model } = manifest;
  const attributes = Object.entries(config.attributes).map(([name, type]) => `${name}: ${type}`);
  const bytes = shards.reduce((sum, shard) => sum + shard.bytes, 0);
  const facts = [
    ['index', indexDir],
    ['generation', `${manifest.generation} of ${generations.join(', ')}`],
    ['pins', withCommas(manifest.count)],
    ['vectors', `${config.dim} dimensions, ${config.metric}, ${config.precision}`],
    ['model', model ? `${model.name}@${model.revision} (${model.kind})` : (config.model ?? 'none')],
    ['graph', `M ${config.m}, efConstruction ${config.efConstruction}, seed ${config.seed}`],
    ['attributes', attributes.join(', ') || 'none'],
    ['memory', `${formatBytes(bytes)}, ${(bytes / Math.max(1, manifest.count)).toFixed(0)} bytes a pin`],
    ['pin store', formatBytes(manifest.pins.bytes)],
  ];
  const table = shards.map((shard, i) => [
    String(i),
    withCommas(shard.live),
    String(shard.maxLevel + 1),
    formatBytes(shard.bytes),
  ]);
  return `${formatTable(facts)}\n\n${formatTable([['shard', 'pins', 'levels', 'memory'], ...table])}`;
}
