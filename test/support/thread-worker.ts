/** A thread for the tests of Thread: it counts, fails and dies as it is told. */
import { workerData } from 'node:worker_threads';
import { NearpinError } from '../../src/lib/errors.ts';
import { serveCalls } from '../../src/shards/thread.ts';

/** How far a thread that is held up while it loads has come: 1 when it has begun, 2 once it may go on, 3 when it has. */
const loading = workerData as Int32Array | undefined;
if (loading) {
  Atomics.store(loading, 0, 1);
  Atomics.wait(loading, 0, 1);
  Atomics.store(loading, 0, 3);
}

let count = 0;
let kept: Uint8Array | undefined;
serveCalls<'count' | 'wait' | 'fail' | 'die' | 'kept' | Uint8Array>(async (call) => {
  if (call instanceof Uint8Array) {
    kept = call;
    return { value: kept.length, spent: [kept.buffer] };
  }
  if (call === 'kept') return { value: kept?.length };
  if (call === 'wait') await new Promise((resolve) => setTimeout(resolve, 20));
  if (call === 'fail') throw new NearpinError('disk_full', 'no room', [{ path: 'here', message: 'no room' }]);
  if (call === 'die') process.exit(1);
  return { value: ++count };
});
