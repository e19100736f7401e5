/**
 * Whose turn it is when several lists share the hits: each list gets its quota's share at every length of the answer,
 * not only at its end (the divisor method of Jefferson and D'Hondt, which never gives a list less than its share,
 * rounded down). A list that has nothing left leaves its turns to the others.
 */

/**
 * The list that gives the next hit: the least (given + 1) / quota, the earlier of equal ones.
 * @param quotas over 0
 * @param given hits of each list so far
 * @param isEmpty lists that have nothing left
 * @returns its number; -1 when all lists are empty
 */
export function nextTurn(
  quotas: readonly number[],
  given: ArrayLike<number>,
  isEmpty: readonly boolean[],
): number {
  let next = -1;
  let least = Number.POSITIVE_INFINITY;
  for (let list = 0; list < quotas.length; list++) {
    if (isEmpty[list]) continue;
    const turn = (given[list]! + 1) / quotas[list]!;
    if (turn < least) {
      next = list;
      least = turn;
    }
  }
  return next;
}
