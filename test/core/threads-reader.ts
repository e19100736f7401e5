/**
 * A reader thread of threads.test.ts. Every pin's vector follows from the number in its id, so a hit whose slot was
 * given to another pin meanwhile, or whose data are half written, gives itself away.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { l2F32 } from '../../src/core/oracle.ts';
import { Shard } from '../../src/core/shard.ts';
import type { WasmMemory } from '../../src/core/webassembly.ts';
import { Prng } from '../../src/lib/prng.ts';
import { CORE } from './shards.ts';
import { DIM, pinVector, type ReaderReport, STABLE } from './threads.ts';

const { memory, reader, stop } = workerData as { memory: WasmMemory; reader: number; stop: Int32Array };
const shard = new Shard(CORE, memory, reader);
const random = new Prng(reader);
const report: ReaderReport = { searches: 0, missed: 0, faults: [] };

while (Atomics.load(stop, 0) === 0 && report.faults.length === 0) {
  const wanted = random.below(STABLE);
  const query = pinVector(wanted);
  const k = random.pick([1, 1, 10]);
  const budget = random.pick([0x7fffffff, 50]);
  let done = shard.search(query, k, 48, random.below(20) === 0, null, budget);
  while (!done) done = shard.resume(budget);
  const n = shard.hits();
  if (n !== k) report.faults.push(`${n} hits for k = ${k}`);
  for (let i = 0; i < n; i++) {
    const ordinal = shard.hitOrdinal(i);
    const id = shard.id(ordinal);
    const vector = pinVector(Number(id));
    const stored = shard.vector(ordinal);
    if (id === '' || vector.some((x, j) => x !== stored[j]))
      report.faults.push(`slot ${ordinal} is not pin ${id}`);
    if (l2F32(query, vector) !== shard.hitDistance(i))
      report.faults.push(`the distance of pin ${id} is wrong`);
  }
  if (n > 0 && shard.id(shard.hitOrdinal(0)) !== String(wanted)) report.missed++;
  shard.leave();
  report.searches++;
  if (shard.dim !== DIM) report.faults.push('the header changed');
}
parentPort?.postMessage(report);
