/**
 * A writer thread: the one writer of each of its shards, in scratch slot 0. It loads a shard, changes it as it is told,
 * and keeps no other state.
 */
import { workerData } from 'node:worker_threads';
import { Shard, shardStats } from '../core/shard.ts';
import type { WasmMemory, WasmModule } from '../core/webassembly.ts';
import { NearpinError, toErrorRecord } from '../lib/errors.ts';
import { letGo } from './collect-garbage.ts';
import { loadShard } from './shard-file.ts';
import { serveCalls } from './thread.ts';
import type { ChangeAnswer, ShardChange, WriterCall } from './writers.ts';

const { module } = workerData as { module: WasmModule };
const shards = new Map<string, Shard>();

function shardOf(key: string): Shard {
  const shard = shards.get(key);
  if (!shard) throw new NearpinError('closed', 'the shard is closed');
  return shard;
}

/** Removes, then inserts, then sets rows. Where an insertion fails, those before it are undone and nothing else is. */
function change(shard: Shard, { remove, insert, rows }: ShardChange): ChangeAnswer {
  for (const ordinal of remove ?? []) shard.remove(ordinal);
  const ordinals: number[] = [];
  if (insert) {
    const { ids, vectors, rows, lists } = insert;
    const { dim } = shard;
    const stride = rows.length / ids.length;
    try {
      ids.forEach((id, i) => {
        const vector = vectors.subarray(i * dim, (i + 1) * dim);
        const row = rows.subarray(i * stride, (i + 1) * stride);
        ordinals.push(shard.insert(vector, Buffer.from(id), row, lists?.[i]));
      });
    } catch (error) {
      for (const ordinal of ordinals) shard.remove(ordinal);
      return { ordinals: [], error: toErrorRecord(error) };
    }
  }
  for (const { ordinal, row, lists } of rows ?? []) shard.setRow(ordinal, row, lists);
  return { ordinals };
}

serveCalls<WriterCall>((call) => {
  switch (call.do) {
    case 'load': {
      let memory: WasmMemory;
      try {
        memory = loadShard(call.path, call.expected, call.config, module, call.options);
      } catch (error) {
        void letGo(call.expected.bytes);
        throw error;
      }
      shards.set(call.shard, new Shard(module, memory, 0));
      return { value: memory };
    }
    case 'change': {
      const { insert } = call.change;
      const spent = insert ? [insert.vectors.buffer, insert.rows.buffer] : [];
      return { value: change(shardOf(call.shard), call.change), spent };
    }
    case 'forget': {
      const shard = shards.get(call.shard);
      shards.delete(call.shard);
      if (shard) void letGo(shardStats(shard.memory).bytes);
      return {};
    }
  }
});
