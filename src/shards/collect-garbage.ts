/**
 * Gives memory back now. A shard's memory lies outside the JavaScript heap, where its gigabytes put no pressure on
 * the collector: a thread with little to do would hold a forgotten one for ever.
 */

import { setTimeout as sleep } from 'node:timers/promises';

/** A thread puts up with this much before it collects. */
const GARBAGE_BYTES_MAX = 32 * 1024 * 1024;

/** Waits before it is looked whether something is gone: this long at first, then twice as long each time. */
const GONE_AFTER_MS = 20;
const ATTEMPTS_MAX = 8;

/** What this thread has let go of since it last collected. */
let garbageBytes = 0;

/** Collects this thread's garbage, which takes some 10 ms; false in a Node built without its inspector, which cannot. */
export async function collectGarbage(): Promise<boolean> {
  garbageBytes = 0;
  const inspector = await import('node:inspector').catch(() => undefined);
  if (!inspector) return false;
  const session = new inspector.Session();
  session.connect();
  await new Promise((resolve) => session.post('HeapProfiler.collectGarbage', resolve));
  session.disconnect();
  return true;
}

/**
 * Collects this thread's garbage until some objects are gone that nobody wants any more, or some seconds are over. One
 * collection need not do: what V8 compiles beside the thread holds on to objects that the code has worked with.
 */
export async function collectUntilGone(objects: readonly WeakRef<object>[]): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    if (!(await collectGarbage())) return;
    // In another turn: one that looks at an object keeps it to its end
    await sleep(GONE_AFTER_MS * 2 ** attempt);
    if (objects.every((object) => object.deref() === undefined)) return;
  }
}

/** Takes note that this thread has let go of so many bytes of shared memory, and collects when that is worth it. */
export async function letGo(bytes: number): Promise<void> {
  garbageBytes += bytes;
  if (garbageBytes >= GARBAGE_BYTES_MAX) await collectGarbage();
}
