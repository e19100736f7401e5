/** An index without pins: its first generation, for updates to fill. */
import { join } from 'node:path';
import { createShard } from '../core/shard.ts';
import type { WasmModule } from '../core/webassembly.ts';
import type { IndexConfig } from '../index/config.ts';
import { encodeManifest, type ModelDescription } from '../index/manifest.ts';
import { blockShapeFor, shardConfigOf } from '../shards/shard-config.ts';
import { saveShard } from '../shards/shard-file.ts';
import { abandonStaging, publishGeneration, stageGeneration } from '../storage/generation.ts';
import { createPinStore } from '../storage/pin-store.ts';

/** Pins that the blocks of the empty shards are cut for, and heap that each is expected to take. */
const EXPECTED_PINS = 16_384;
const RECORD_BYTES = 64;

/**
 * Makes the first generation of an index in a directory. @param model of the config, when it can embed texts
 * @returns its name. Throws io_error or shard_full; no trace is left then.
 */
export async function createIndex(
  indexDir: string,
  config: IndexConfig,
  model: ModelDescription | null,
  module: WasmModule,
): Promise<string> {
  const shape = blockShapeFor(config, EXPECTED_PINS, EXPECTED_PINS * RECORD_BYTES);
  const memory = createShard(module, shardConfigOf(config, shape), { readers: 0 });
  const staging = await stageGeneration(indexDir);
  try {
    const pins = await createPinStore(join(staging, 'pins'));
    const seal = await pins.finish([]);
    const shards = Array.from({ length: config.shards }, (_, shard) => {
      const file = `shard-${String(shard).padStart(3, '0')}.seg`;
      return { file, ...saveShard(join(staging, file), memory, module), count: 0 };
    });
    return await publishGeneration(staging, (generation) =>
      encodeManifest({ generation, seq: 0, count: 0, config, model, shards, pins: { dir: 'pins', ...seal } }),
    );
  } catch (error) {
    await abandonStaging(staging);
    throw error;
  }
}
