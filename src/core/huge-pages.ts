/**
 * Huge pages for the blocks of a shard. A search reads lines from all over them, and the page of each has to be looked
 * up, in a virtual machine twice over. Of pages of 2 MiB there are 512 times fewer than of 4 KiB, so that most are found in
 * the processor's own table, and fresh memory takes as many fewer faults to fill.
 *
 * Linux, in its setting `madvise`, gives them to who asks for them, and nothing in Node asks. So the system's function is
 * called through koffi, which is optional: where it is missing, on other systems, and where there are no such pages,
 * everything is as it was. An advice changes no byte, and nobody is told when it is not taken.
 */
import { createRequire } from 'node:module';
import { LAYOUT as L } from './layout.ts';
import type { WasmMemory } from './webassembly.ts';

/** Of Linux' asm-generic/mman-common.h. */
const MADV_HUGEPAGE = 14;

type Advise = (memory: WasmMemory, start: number, end: number) => void;

/** Made with the first memory of a thread, as koffi takes some 15 ms to load. */
let advise: Advise | undefined;

function makeAdvise(): Advise {
  if (process.platform !== 'linux') return () => {};
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
    const madvise = koffi.load(null).func('int madvise(uintptr_t, size_t, int)');
    return (memory, start, end) => {
      madvise(koffi.address(new Uint8Array(memory.buffer)) + BigInt(start), end - start, MADV_HUGEPAGE);
    };
  } catch {
    return () => {};
  }
}

/**
 * Asks for huge pages from the first page at or behind byte `start` of a memory up to byte `end`, which may be as far as its
 * maximum: a shared memory has all its addresses from the beginning, and what it grows by is meant, too.
 */
export function adviseHugePages(memory: WasmMemory, start: number, end: number): void {
  advise ??= makeAdvise();
  advise(memory, Math.ceil(start / L.NP_PAGE) * L.NP_PAGE, end);
}
