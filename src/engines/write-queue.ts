/**
 * The order of an index's writes. Each gets the next number; writes that come while a commit is under way are collected
 * into the next group, which is committed as one transaction: with one client a group is one write, with many the disk
 * is never asked more often than it can answer.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { errorAt, NearpinError } from '../lib/errors.ts';
import { LIMITS } from '../lib/limits.ts';
import type { IndexLog } from '../shards/log-thread.ts';
import { monotonicMs } from '../shards/protocol.ts';
import { encodeUpdate, type Operation } from '../storage/update-record.ts';
import type { Applier } from './apply.ts';
import type { WriteCondition } from './engine.ts';
import type { LivePins } from './live-pins.ts';

/** What writes are applied to. */
export interface WriteTarget {
  readonly pins: LivePins;
  readonly applier: Applier;
  readonly model: string | null;
}

interface Write {
  readonly seq: number;
  readonly operations: readonly Operation[];
  /** On the clock of monotonicMs. */
  readonly sinceMs: number;
  /** Whether it must be a group of its own, because one that it was in did not fit a shard. */
  readonly isAlone: boolean;
  readonly settle: { resolve(): void; reject(error: unknown): void };
}

/** Pins of one group; a greater write is a group of its own. */
const GROUP_PINS_MAX = 512;
/** Groups under way: one that is inserted while the next one is committed. */
const GROUPS_MAX = 2;
/** How long to wait before a disk is asked again to take back what it has refused to. */
const TAKE_BACK_EVERY_MS = 500;

export interface WriteQueueHooks {
  /** Hears of a fault in a writer: the memory of the shards is not what it should be. */
  readonly onFault: (error: NearpinError) => void;
  /** Hears how many bytes of updates have become visible. */
  readonly onVisible: (bytes: number) => void;
}

export class WriteQueue {
  readonly #log: IndexLog;
  readonly #hooks: WriteQueueHooks;
  #target: WriteTarget;
  /** The last number given. */
  #lastSeq: number;
  #durableSeq: number;
  #waiting: Write[] = [];
  #waitingPins = 0;
  readonly #underWay = new Set<Write>();
  /** How writes on their way leave a pin: the number of the last one, and whether there is a pin then. */
  readonly #pending = new Map<string, { readonly seq: number; readonly isThere: boolean }>();
  #groups = 0;
  #committing = false;
  #pauses = 0;
  #refusal: NearpinError | undefined;
  #onQuiet: (() => void)[] = [];
  /** Ends the waiting of those who take something back. */
  readonly #closing = new AbortController();

  /** @param seq of the last update in the log or in the generation */
  constructor(log: IndexLog, seq: number, target: WriteTarget, hooks: WriteQueueHooks) {
    this.#log = log;
    this.#lastSeq = seq;
    this.#durableSeq = seq;
    this.#target = target;
    this.#hooks = hooks;
  }

  get durableSeq(): number {
    return this.#durableSeq;
  }

  /** What the log holds up to here has been acknowledged, or was taken back; after it there may be what will be refused. */
  get settledSeq(): number {
    const underWay = [...this.#underWay].map(({ seq }) => seq - 1);
    return Math.min(this.#durableSeq, ...underWay);
  }

  get waitingPins(): number {
    return this.#waitingPins;
  }

  /** When the oldest write that is not visible came, on the clock of monotonicMs; undefined when there is none. */
  get oldestMs(): number | undefined {
    return [...this.#underWay, ...this.#waiting].reduce<number | undefined>(
      (oldest, { sinceMs }) => Math.min(oldest ?? sinceMs, sinceMs),
      undefined,
    );
  }

  /**
   * Queues one write, none of whose pins occurs twice; resolves when it is durable and visible.
   * @param path of the list in the request @param conditions one per operation
   * @returns its number, and how many of the pins were there before
   */
  async write(
    operations: readonly Operation[],
    conditions: readonly WriteCondition[],
    path: string,
  ): Promise<{ readonly seq: number; readonly existed: number }> {
    if (this.#refusal) throw this.#refusal;
    this.#checkRoom(operations.length);
    const existed = this.#checkConditions(operations, conditions, path);
    const seq = this.#lastSeq + 1;
    this.#lastSeq = seq;
    for (const { id, kind } of operations) {
      const isThere = kind !== 'delete';
      this.#pending.set(id, { seq, isThere });
    }
    this.#waitingPins += operations.length;
    await new Promise<void>((resolve, reject) => {
      this.#waiting.push({
        seq,
        operations,
        sinceMs: monotonicMs(),
        isAlone: false,
        settle: { resolve, reject },
      });
      this.#pump();
    });
    return { seq, existed };
  }

  #checkRoom(pins: number): void {
    const isFull = this.#waitingPins > 0 && this.#waitingPins + pins > LIMITS.waitingPinsMax;
    if (isFull) {
      throw new NearpinError(
        'too_many_writes',
        `${this.#waitingPins} pins wait to be written; try again soon`,
      );
    }
  }

  #checkConditions(
    operations: readonly Operation[],
    conditions: readonly WriteCondition[],
    path: string,
  ): number {
    const ids = new Set<string>();
    let existed = 0;
    for (const [i, { id, kind }] of operations.entries()) {
      const at = `${path}[${i}]`;
      if (ids.has(id))
        throw errorAt('duplicate_pin', at, `the pin ${JSON.stringify(id)} occurs more than once`);
      ids.add(id);
      const pending = this.#pending.get(id);
      const stored = pending ? undefined : this.#target.pins.get(id);
      const isThere = pending?.isThere ?? stored !== undefined;
      const seq = pending?.seq ?? stored?.seq;
      const { ifSeq, ifAbsent } = conditions[i]!;
      if (ifAbsent && isThere)
        throw errorAt('write_conflict', `${at}.ifAbsent`, `the pin was written by ${seq}`);
      if (ifSeq !== undefined && (!isThere || seq !== ifSeq)) {
        const is = isThere ? `was written by ${seq}` : 'is not there';
        throw errorAt('write_conflict', `${at}.ifSeq`, `the pin ${is}, not by ${ifSeq}`);
      }
      if (kind === 'change' && !isThere) {
        throw errorAt(
          'unknown_pin',
          `${at}.id`,
          'is no pin that could be changed: a new one needs a vector or a text',
        );
      }
      if (isThere) existed++;
    }
    return existed;
  }

  /** The longest run of writes from the front that no id stands twice in. */
  #takeGroup(): Write[] {
    const ids = new Set<string>();
    let n = 0;
    for (const { operations, isAlone } of this.#waiting) {
      if (n > 0 && (isAlone || this.#waiting[0]!.isAlone)) break;
      if (n > 0 && ids.size + operations.length > GROUP_PINS_MAX) break;
      if (operations.some(({ id }) => ids.has(id))) break;
      for (const { id } of operations) ids.add(id);
      n++;
    }
    return this.#waiting.splice(0, n);
  }

  #pump(): void {
    if (this.#committing || this.#groups >= GROUPS_MAX || this.#pauses > 0) return;
    if (this.#waiting.length > 0) void this.#run(this.#takeGroup());
  }

  async #run(group: readonly Write[]): Promise<void> {
    this.#committing = true;
    this.#groups++;
    for (const write of group) this.#underWay.add(write);
    let isDurable = false;
    let loggedBytes = 0;
    let hasCommitEnded = false;
    const commitEnded = () => {
      if (hasCommitEnded) return;
      hasCommitEnded = true;
      this.#committing = false;
      this.#pump();
    };
    const commit = async () => {
      const { model } = this.#target;
      const updates = group.map(({ seq, operations }) => ({
        seq,
        bytes: encodeUpdate({ model, operations }),
      }));
      loggedBytes = updates.reduce((sum, { bytes }) => sum + bytes.length, 0);
      await this.#log.append(updates);
      isDurable = true;
      this.#durableSeq = group.at(-1)!.seq;
      commitEnded();
    };
    try {
      await this.#target.applier.apply(group, commit);
      this.#end(group);
      for (const { settle } of group) settle.resolve();
      this.#hooks.onVisible(loggedBytes);
    } catch (error) {
      const isFull = error instanceof NearpinError && error.code === 'shard_full';
      if (isFull && !isDurable && group.length > 1) {
        for (const write of group) this.#underWay.delete(write);
        this.#waiting.unshift(...group.map((write) => ({ ...write, isAlone: true })));
        this.#endGroup(commitEnded);
        return;
      }
      const isFault =
        error instanceof NearpinError && (error.code === 'core_trap' || error.code === 'closed');
      if (isFault) this.#refusal ??= error;
      this.#dropWaiting(error, group);
      const told = isDurable ? await this.#takeBack(group, error) : error;
      this.#end(group);
      for (const { settle } of group) settle.reject(told);
      if (isFault) this.#hooks.onFault(error);
    }
    this.#endGroup(commitEnded);
  }

  /**
   * Takes writes that are in the log and could not be applied out of it again, and does not give up: a write is only
   * said to be refused when no restart can bring it back. Closing ends that.
   * @returns what to tell of the writes
   */
  async #takeBack(group: readonly Write[], error: unknown): Promise<unknown> {
    const { signal } = this.#closing;
    for (;;) {
      try {
        await this.#log.takeBack(group.map(({ seq }) => seq));
        return error;
      } catch (cause) {
        if (signal.aborted) {
          const message = `it was not applied (${(error as Error).message}) and may be there when the index is opened again`;
          return new NearpinError('closed', `the index was closed on a write: ${message}`, [], { cause });
        }
        await sleep(TAKE_BACK_EVERY_MS, undefined, { signal }).catch(() => {});
      }
    }
  }

  #endGroup(commitEnded: () => void): void {
    this.#groups--;
    commitEnded();
    this.#pump();
    if (this.#groups === 0) for (const resolve of this.#onQuiet.splice(0)) resolve();
  }

  /** Takes writes out of the books. */
  #end(writes: readonly Write[]): void {
    for (const write of writes) {
      this.#underWay.delete(write);
      this.#waitingPins -= write.operations.length;
      for (const { id } of write.operations) {
        if (this.#pending.get(id)?.seq === write.seq) this.#pending.delete(id);
      }
    }
  }

  /** Refuses what waits and was checked as if writes that have failed had not. */
  #dropWaiting(error: unknown, failed: readonly Write[]): void {
    const ids = new Set(failed.flatMap(({ operations }) => operations.map(({ id }) => id)));
    const dropped: Write[] = [];
    this.#waiting = this.#waiting.filter((write) => {
      if (!write.operations.some(({ id }) => ids.has(id))) return true;
      for (const { id } of write.operations) ids.add(id);
      dropped.push(write);
      return false;
    });
    this.#end(dropped);
    for (const { settle } of dropped) settle.reject(error);
  }

  /** Starts no further group; resolves when those under way have ended and the writers are at rest. */
  async pause(): Promise<void> {
    this.#pauses++;
    if (this.#groups > 0) await new Promise<void>((resolve) => this.#onQuiet.push(resolve));
    await this.#target.applier.settled();
  }

  resume(): void {
    this.#pauses--;
    this.#pump();
  }

  /**
   * Writes go to another target from now on; only while paused. What was refused because of a fault is taken again.
   * @param refusal what writes are refused with that wait, where the other target does not take what they were checked for
   */
  retarget(target: WriteTarget, refusal?: NearpinError): void {
    if (refusal) {
      const waiting = this.#waiting.splice(0);
      this.#end(waiting);
      for (const { settle } of waiting) settle.reject(refusal);
    }
    this.#target = target;
    this.#refusal = undefined;
  }

  /** Refuses further writes, and resolves when those that came before have ended. */
  async close(error: NearpinError): Promise<void> {
    this.#refusal = error;
    this.#closing.abort();
    while (this.#groups > 0 || this.#waiting.length > 0) {
      this.#pump();
      await new Promise<void>((resolve) => this.#onQuiet.push(resolve));
    }
    await this.#target.applier.settled();
  }
}
