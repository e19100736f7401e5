/** Nanoseconds of one distance, of the engines that show their kernels. */
import type { KernelRecord } from '../report/record.ts';
import { EngineProcess } from './engine-process.ts';
import type { RunContext } from './run-context.ts';

export interface KernelRunOptions {
  /** Of the definition. */
  readonly title: string;
  readonly engines: readonly string[];
  readonly dims: readonly number[];
}

/** Several times what the caches next to a core hold. */
const REGION_BYTES = 512 * 1024 * 1024;
const CALLS = 200_000;

export async function runKernels(options: KernelRunOptions, context: RunContext): Promise<KernelRecord[]> {
  const records: KernelRecord[] = [];
  for (const { name, version, process } of await EngineProcess.startAll(options.engines, context)) {
    try {
      for (const [i, dim] of options.dims.entries()) {
        const times = await process.ask('kernels', { dim, regionBytes: REGION_BYTES, calls: CALLS });
        if (times === null) context.note(`${name} does not show its kernels`);
        for (const time of times ?? []) {
          records.push({
            kind: 'kernel',
            run: options.title,
            engine: name,
            version,
            dim,
            regionBytes: REGION_BYTES,
            ...time,
          });
        }
        context.progress(`${name}: kernels`, i + 1, options.dims.length);
      }
    } finally {
      await process.close();
    }
  }
  return records;
}
