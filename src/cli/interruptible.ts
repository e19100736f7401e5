/** Jobs that SIGINT and SIGTERM end in order. */
import { setMaxListeners } from 'node:events';
import { NearpinError } from '../lib/errors.ts';

/**
 * Runs a job whose signal is aborted by SIGINT and SIGTERM, with `interrupted` as the reason.
 * @param consequence what the interruption means, as in `nothing was written`
 */
export async function interruptible<Result>(
  consequence: string,
  run: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const abort = new AbortController();
  // Each process that a benchmark starts has a listener, and it starts one an engine and set: dozens
  setMaxListeners(0, abort.signal);
  const stop = (signal: NodeJS.Signals) =>
    abort.abort(new NearpinError('interrupted', `${signal}: ${consequence}`));
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  try {
    return await run(abort.signal);
  } finally {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  }
}
