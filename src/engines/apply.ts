/**
 * Applies updates to a loaded generation, group by group in the order of their numbers, whether they come from a client
 * or from the log.
 *
 * The insertions of a group, which are nearly all of its work, start at once, beside the commit of its log records and
 * behind the insertions of the group before. What they inserted can be found by then, but does not count: LivePins says
 * so. When the group is durable and inserted and the group before is visible, attribute rows are set, everything becomes
 * visible in one step, and what was replaced or deleted is removed from the graphs.
 */
import { unitVector } from '../core/metric.ts';
import { shardStats } from '../core/shard.ts';
import { type EncodedRow, encodeRow, type RowLayout, rowLayout } from '../index/attributes.ts';
import type { IndexConfig } from '../index/config.ts';
import type { Attributes } from '../index/pin.ts';
import { shardOf } from '../index/shard-of.ts';
import { fromErrorRecord } from '../lib/errors.ts';
import { failpoint } from '../lib/failpoints.ts';
import type { ShardSet } from '../shards/shard-set.ts';
import type { ShardChange } from '../shards/writers.ts';
import type { Operation, UpsertOperation } from '../storage/update-record.ts';
import type { LiveLexical } from './live-lexical.ts';
import type { Effect, LivePins } from './live-pins.ts';

/** An update with its number. */
export interface NumberedUpdate {
  readonly seq: number;
  readonly operations: readonly Operation[];
}

/** Pins to insert into one shard, and where they will lie once they are. */
interface ShardInserts {
  readonly operations: UpsertOperation[];
  readonly rows: EncodedRow[];
  ordinals: readonly number[];
}

/** Pins of which operations change neither text nor payload. */
function wordless(operations: readonly { readonly operation: Operation }[]): Set<string> {
  const ids = new Set<string>();
  for (const { operation } of operations)
    if (operation.kind === 'change' && operation.payload === undefined) ids.add(operation.id);
  return ids;
}

/** Ordinals that groups under way, and heap that their keywords take in place of ordinals, may use up. */
const ROOM_MARGIN = 4096;

export class Applier {
  readonly #config: IndexConfig;
  readonly #layout: RowLayout;
  readonly #shards: ShardSet;
  readonly #pins: LivePins;
  readonly #lexical: LiveLexical;
  /** Settles when the last group is visible or dropped. */
  #last: Promise<unknown> = Promise.resolve();
  /** What no pin lies at any more since an update, and searches that began before it may still have to find. */
  #left: { readonly seq: number; readonly ordinals: ReadonlyMap<number, readonly number[]> }[] = [];
  /** Removals that the writers were told of and have not answered. */
  readonly #removals = new Set<Promise<unknown>>();
  #onRemoved: (() => void)[] = [];

  constructor(config: IndexConfig, shards: ShardSet, pins: LivePins, lexical: LiveLexical) {
    this.#config = config;
    this.#layout = rowLayout(config.attributes);
    this.#shards = shards;
    this.#pins = pins;
    this.#lexical = lexical;
    pins.onSearchesEnd(() => this.#removeLeft());
  }

  /**
   * Applies a group in which no id occurs twice; resolves when it is visible. `commit` makes it durable; it is called at
   * once, or after the insertions where a shard is so full that they might fail. Rejects as `commit` does, with
   * shard_full or core_trap; nothing is visible then.
   */
  apply(group: readonly NumberedUpdate[], commit: () => Promise<void>): Promise<void> {
    const applied = this.#apply(group, commit, this.#last);
    this.#last = applied.catch(() => {});
    return applied;
  }

  /** Resolves when all groups are visible or dropped and the writers have nothing left to do. */
  async settled(): Promise<void> {
    await this.#last;
    while (this.#left.length > 0) await new Promise<void>((resolve) => this.#onRemoved.push(resolve));
    await Promise.allSettled([...this.#removals]);
  }

  async #apply(
    group: readonly NumberedUpdate[],
    commit: () => Promise<void>,
    before: Promise<unknown>,
  ): Promise<void> {
    const operations = group.flatMap(({ seq, operations }) =>
      operations.map((operation) => ({ seq, operation })),
    );
    const pins = this.#pins;
    const inserts = this.#planInserts(operations.map(({ operation }) => operation));
    for (const { operation } of operations) pins.await(operation.id);
    const inserted = this.#insert(inserts);
    const durable = this.#isRoomy(inserts) ? commit() : inserted.then(commit);
    try {
      const outcomes = await Promise.allSettled([inserted, durable]);
      await before;
      await this.#lexical.caughtUp();
      for (const outcome of outcomes) {
        if (outcome.status === 'fulfilled') continue;
        await this.#undo(inserts);
        throw outcome.reason;
      }
      const effects = await this.#effectsOf(operations, inserts);
      failpoint('write.before-visible');
      const { seq } = group.at(-1)!;
      this.#left.push({ seq, ordinals: pins.show(seq, effects) });
      this.#lexical.change(seq, effects, wordless(operations));
      this.#removeLeft();
    } finally {
      for (const { operation } of operations) pins.unawait(operation.id);
    }
  }

  #codes = (attribute: string, value: string): number => this.#pins.addKeyword(attribute, value);

  /** The pins that need a new vector, by shard; one whose vector stays is not among them. */
  #planInserts(operations: readonly Operation[]): Map<number, ShardInserts> {
    const inserts = new Map<number, ShardInserts>();
    for (const operation of operations) {
      if (operation.kind !== 'upsert' || this.#keepsVector(operation)) continue;
      const shard = shardOf(operation.id, this.#config.shards);
      let of = inserts.get(shard);
      if (!of) {
        of = { operations: [], rows: [], ordinals: [] };
        inserts.set(shard, of);
      }
      of.operations.push(operation);
      of.rows.push(encodeRow(this.#layout, operation.attributes, this.#codes));
    }
    return inserts;
  }

  /** Whether there is so much room that insertions do not fail. */
  #isRoomy(inserts: ReadonlyMap<number, ShardInserts>): boolean {
    return [...inserts].every(([shard, { operations }]) => {
      const { room } = shardStats(this.#shards.shards[shard]!.memory);
      return room > ROOM_MARGIN + 2 * operations.length;
    });
  }

  #vectorOf({ vector }: UpsertOperation): Float32Array {
    return this.#config.metric === 'cosine' ? unitVector(vector) : vector;
  }

  /** Whether the pin is there with what this vector is stored as, and stays so until the update comes to it. */
  #keepsVector(operation: UpsertOperation): boolean {
    if (this.#pins.isAwaited(operation.id)) return false;
    const stored = this.#pins.get(operation.id);
    if (stored === undefined) return false;
    return this.#shards.shards[stored.shard]!.holds(stored.ordinal, this.#vectorOf(operation));
  }

  async #insert(inserts: ReadonlyMap<number, ShardInserts>): Promise<void> {
    const { dim } = this.#config;
    const { stride, lists } = this.#layout;
    const answers = await Promise.allSettled(
      [...inserts].map(async ([shard, of]) => {
        const vectors = new Float32Array(of.operations.length * dim);
        for (const [i, operation] of of.operations.entries()) vectors.set(this.#vectorOf(operation), i * dim);
        const rows = new Uint8Array(of.rows.length * stride);
        for (const [i, { row }] of of.rows.entries()) rows.set(row, i * stride);
        const ids = of.operations.map(({ id }) => id);
        const hasLists = lists.count > 0 && { lists: of.rows.map((row) => row.lists) };
        const { ordinals, error } = await this.#change(shard, {
          insert: { ids, vectors, rows, ...hasLists },
        });
        of.ordinals = ordinals;
        if (error) throw fromErrorRecord(error);
      }),
    );
    for (const answer of answers) if (answer.status === 'rejected') throw answer.reason;
  }

  async #undo(inserts: ReadonlyMap<number, ShardInserts>): Promise<void> {
    await Promise.allSettled(
      [...inserts].map(([shard, { ordinals }]) => this.#change(shard, { remove: ordinals })),
    );
  }

  #change(shard: number, change: ShardChange) {
    return this.#shards.writers[shard]!.change(change);
  }

  /** Has removed what no search under way has to find. */
  #removeLeft(): void {
    while (this.#left.length > 0 && this.#left[0]!.seq <= this.#pins.oldestSearch) {
      for (const [shard, ordinals] of this.#left.shift()!.ordinals) this.#remove(shard, ordinals);
    }
    if (this.#left.length === 0) for (const resolve of this.#onRemoved.splice(0)) resolve();
  }

  #remove(shard: number, ordinals: readonly number[]): void {
    const removal = this.#change(shard, { remove: ordinals }).catch(() => {});
    this.#removals.add(removal);
    void removal.then(() => this.#removals.delete(removal));
  }

  /** What the operations make of their pins. Rows of pins whose vectors stay are set by then. */
  async #effectsOf(
    operations: readonly { readonly seq: number; readonly operation: Operation }[],
    inserts: ReadonlyMap<number, ShardInserts>,
  ): Promise<Map<string, Effect>> {
    const effects = new Map<string, Effect>();
    const ordinalOf = new Map<string, number>();
    for (const { operations, ordinals } of inserts.values()) {
      operations.forEach(({ id }, i) => {
        ordinalOf.set(id, ordinals[i]!);
      });
    }
    const rows = new Map<number, { ordinal: number; before: Attributes; after: Attributes }[]>();
    for (const { seq, operation } of operations) {
      const { id } = operation;
      const stored = this.#pins.get(id);
      if (operation.kind === 'delete') {
        if (stored) effects.set(id, null);
        continue;
      }
      const ordinal = ordinalOf.get(id) ?? stored?.ordinal;
      // A change of a pin that this generation does not have
      if (ordinal === undefined) continue;
      const shard = stored?.shard ?? shardOf(id, this.#config.shards);
      const isWhole = operation.kind === 'upsert';
      const attributes = isWhole ? operation.attributes : (operation.attributes ?? stored!.attributes);
      const payload = isWhole || operation.payload !== undefined ? operation.payload : stored!.payload;
      const text = isWhole ? (operation.text ?? undefined) : stored!.text;
      effects.set(id, { shard, ordinal, seq, attributes, payload, text });
      if (ordinalOf.has(id) || attributes === stored!.attributes || this.#layout.stride === 0) continue;
      const changed = { ordinal, before: stored!.attributes, after: attributes };
      const ofShard = rows.get(shard);
      if (ofShard) ofShard.push(changed);
      else rows.set(shard, [changed]);
    }
    try {
      await this.#setRows(rows, 'after');
    } catch (error) {
      await this.#setRows(rows, 'before').catch(() => {});
      await this.#undo(inserts);
      throw error;
    }
    return effects;
  }

  async #setRows(
    rows: ReadonlyMap<number, readonly { ordinal: number; before: Attributes; after: Attributes }[]>,
    which: 'before' | 'after',
  ): Promise<void> {
    await Promise.all(
      [...rows].map(([shard, changes]) =>
        this.#change(shard, {
          rows: changes.map((change) => ({
            ordinal: change.ordinal,
            ...encodeRow(this.#layout, change[which], this.#codes),
          })),
        }),
      ),
    );
  }
}
