/**
 * Named moments at which a test wants to stop a process, after the idea of FreeBSD's fail(9). Off unless a test sets
 * what happens; production code only names the moments.
 */

/** The moments there are. */
export const FAILPOINTS = [
  'log.before-commit',
  'log.after-commit',
  'write.before-visible',
  'segment.writing',
  'segment.written',
  'pin-store.written',
  'generation.renamed',
  'generation.current',
  'log.before-trim',
  'replay.batch',
] as const;

export type Failpoint = (typeof FAILPOINTS)[number];

let onReached: ((name: Failpoint) => void) | undefined;

/** Says that the moment has come. */
export function failpoint(name: Failpoint): void {
  onReached?.(name);
}

/** Sets what happens at each moment in this thread; for tests. */
export function onFailpoint(action: (name: Failpoint) => void): void {
  onReached = action;
}
