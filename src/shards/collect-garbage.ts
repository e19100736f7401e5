/**
 * Gives memory back now. A shard's memory lies outside the JavaScript heap, where its gigabytes put no pressure on
 * the collector: a thread with little to do would hold a forgotten one for ever.
 */

/** A thread puts up with this much before it collects. */
const GARBAGE_BYTES_MAX = 32 * 1024 * 1024;

/** What this thread has let go of since it last collected. */
let garbageBytes = 0;

/** Collects this thread's garbage, which takes some 10 ms; does nothing in a Node built without its inspector. */
export async function collectGarbage(): Promise<void> {
  garbageBytes = 0;
  const inspector = await import('node:inspector').catch(() => undefined);
  if (!inspector) return;
  const session = new inspector.Session();
  session.connect();
  await new Promise((resolve) => session.post('HeapProfiler.collectGarbage', resolve));
  session.disconnect();
}

/** Takes note that this thread has let go of so many bytes of shared memory, and collects when that is worth it. */
export async function letGo(bytes: number): Promise<void> {
  garbageBytes += bytes;
  if (garbageBytes >= GARBAGE_BYTES_MAX) await collectGarbage();
}
