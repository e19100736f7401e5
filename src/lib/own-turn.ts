/**
 * Turns of the event loop for work that takes a millisecond. What waits for the same message goes on all at once when it
 * comes, and twenty such works in a row keep everybody else waiting, probes among them; with a turn of its own for each,
 * what has come in between is read.
 */

const waiting: (() => void)[] = [];
let isTaken = false;

/** Resolves when no other such work is to be done in this turn: at once for the first. */
export async function ownTurn(): Promise<void> {
  if (isTaken) return new Promise((resolve) => waiting.push(resolve));
  isTaken = true;
  setImmediate(endTurn);
}

function endTurn(): void {
  const next = waiting.shift();
  isTaken = next !== undefined;
  if (next === undefined) return;
  setImmediate(endTurn);
  next();
}
