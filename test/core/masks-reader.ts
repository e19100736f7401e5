/** A reader thread of masks.test.ts: what never changes class must be found by its class, and by no other. */
import { parentPort, workerData } from 'node:worker_threads';
import { LAYOUT as L } from '../../src/core/layout.ts';
import { Shard } from '../../src/core/shard.ts';
import type { WasmMemory } from '../../src/core/webassembly.ts';
import { Prng } from '../../src/lib/prng.ts';
import { ACCEPTED, isClass, type MaskReport, STABLE } from './masks.ts';
import { CORE, search } from './shards.ts';

const { memory, slot, stop } = workerData as { memory: WasmMemory; slot: number; stop: Int32Array };
const shard = new Shard(CORE, memory, slot);
const random = new Prng(slot);
const report: MaskReport = { searches: 0, cached: 0, faults: [] };

while (Atomics.load(stop, 0) === 0 && report.faults.length === 0) {
  // Half of the searches share a few filters, so that there are masks to use and to evict
  const name = random.below(random.below(2) === 0 ? 4 : ACCEPTED);
  const budget = random.pick([0x7fffffff, 10]);
  const hits = search(shard, new Float32Array(4), L.NP_K_MAX, 0, {
    exact: true,
    program: isClass(name),
    budget,
  });
  const stable = hits.filter(({ ordinal }) => ordinal < STABLE).map(({ ordinal }) => ordinal);
  const expected = Array.from({ length: STABLE }, (_, i) => i).filter((i) => i % 40 === name);
  const missing = expected.filter((ordinal) => !stable.includes(ordinal));
  const wrong = stable.filter((ordinal) => ordinal % 40 !== name);
  if (missing.length > 0) report.faults.push(`class ${name} lacks ${missing}`);
  if (wrong.length > 0) report.faults.push(`class ${name} has ${wrong}`);
  report.searches++;
  if (shard.stats().mask === 'cached') report.cached++;
}
parentPort?.postMessage(report);
