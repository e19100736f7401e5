/**
 * What every search worker does: takes a scratch slot, attaches to shard sets as they come up, and runs tasks, those that
 * come as messages and those that lie at its desk.
 */
import { threadId } from 'node:worker_threads';
import { Piscina, transferableSymbol, valueSymbol } from 'piscina';
import { NearpinError } from '../lib/errors.ts';
import { giveWay } from './background.ts';
import { collectGarbage, letGo } from './collect-garbage.ts';
import { DESK_AREA_BYTES, type DeskTask, ServingSide } from './desk.ts';
import {
  type Attend,
  bytesOf,
  type Housekeeping,
  type SearchAnswers,
  type SearchResult,
  type SearchTask,
  type UnknownSet,
  type WorkerStart,
} from './protocol.ts';
import { SearchClock } from './search-clock.ts';
import { type MakeSearcher, TaskRunner } from './task-runner.ts';

/** The place of a scratch slot among those of the pool. */
function takePlace(slots: Int32Array): number {
  for (let i = 0; i < slots.length; i++) {
    if (Atomics.compareExchange(slots, i, 0, threadId) === 0) return i;
  }
  throw new NearpinError('internal', 'there is no free scratch slot for this worker');
}

/** The task handler of a worker; call once at start. */
export function serveSearches(
  start: WorkerStart,
  makeSearcher: MakeSearcher,
): (task: SearchTask | Attend | Housekeeping) => SearchResult | Promise<SearchResult> {
  const { module, clockOffsetMs, searchNs, firstSlot, isBackground } = start;
  if (isBackground) giveWay();
  const place = takePlace(start.slots);
  const desk = new ServingSide(start.desks[place]!);
  const clock = new SearchClock(searchNs, isBackground ? 1 : undefined);
  const runner = new TaskRunner({ module, slot: firstSlot + place, clockOffsetMs, clock, makeSearcher });

  const tidy = async ({ forget }: Housekeeping): Promise<null> => {
    if (forget === undefined) await collectGarbage();
    else await letGo(bytesOf(runner.forget(forget)));
    return null;
  };

  const atDesk = ({ set, queries }: DeskTask): Uint8Array | SearchAnswers | UnknownSet => {
    if (!runner.knows(String(set))) return moved(queries, { queries });
    const { packed, bytes, rest } = runner.run(String(set), queries);
    return rest.size === 0 && bytes <= DESK_AREA_BYTES
      ? new Uint8Array(packed, 0, bytes)
      : moved(packed, { packed, rest, place });
  };

  /** Stays for as long as tasks come: the results of tasks that were read together with this one have to go first. */
  const attend = async () => {
    await null;
    return desk.stay(atDesk);
  };

  return (task) => {
    if ('attend' in task) return attend();
    if (!('queries' in task)) return tidy(task);
    if (!runner.knows(task.set)) {
      if (!task.memories) return moved(task.queries, { queries: task.queries });
      runner.attach(task.set, task.memories);
    }
    const { packed, rest } = runner.run(task.set, task.queries);
    return moved(packed, { packed, rest, place });
  };
}

/** A result whose buffer Piscina is to move, not to copy. */
function moved<Result extends SearchAnswers | UnknownSet>(buffer: ArrayBuffer, result: Result): Result {
  const movable = { [transferableSymbol]: buffer, [valueSymbol]: result };
  return Piscina.move(movable as never) as unknown as Result;
}
