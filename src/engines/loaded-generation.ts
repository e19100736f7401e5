/** A generation in memory, brought up to date from the log, with what those above the engine keep beside it. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { AttributeTypes } from '../index/config.ts';
import type { Manifest } from '../index/manifest.ts';
import { NearpinError } from '../lib/errors.ts';
import { failpoint } from '../lib/failpoints.ts';
import { letGo } from '../shards/collect-garbage.ts';
import type { IndexLog } from '../shards/log-thread.ts';
import { ShardSet } from '../shards/shard-set.ts';
import { corruptFile } from '../storage/file-error.ts';
import { fitUpdate } from '../storage/fit-update.ts';
import { readManifest } from '../storage/generation.ts';
import { openPinStore, type PinStore } from '../storage/pin-store.ts';
import { decodeUpdate, type Operation, type UpdateRecord } from '../storage/update-record.ts';
import { Applier, type NumberedUpdate } from './apply.ts';
import type { Engine } from './engine.ts';
import type { EngineHost } from './engine-host.ts';
import { LiveLexical } from './live-lexical.ts';
import { LivePins } from './live-pins.ts';
import { ShardEngine } from './shard-engine.ts';

/** What those above the engine keep with a generation, such as the model that made its vectors. */
export interface Attachment<Extra> {
  readonly extra: Extra;
  /** Embeds texts with the generation's model; undefined when it has none. */
  readonly embed?: (texts: readonly string[]) => Promise<Float32Array[]>;
  close(): Promise<void>;
}

/** Makes what is kept with a generation, before it serves. */
export type Attach<Extra> = (manifest: Manifest, engine: Engine) => Promise<Attachment<Extra>>;

/** Pins of each shard that are looked up in the pin store when a generation is loaded. */
const PINS_CHECKED = 16;
/** Updates that are read from the log at once. */
const READ_BYTES = 1024 * 1024;
/** Pins that are replayed as one group, and groups under way: the writers have work while the log is read. */
const REPLAY_PINS = 256;
const REPLAY_GROUPS = 3;

interface Parts<Extra> {
  readonly dir: string;
  readonly manifest: Manifest;
  readonly shards: ShardSet;
  readonly pins: LivePins;
  readonly lexical: LiveLexical;
  readonly engine: ShardEngine;
  readonly attachment: Attachment<Extra>;
}

export interface ReplayReport {
  /** Bytes of the updates that were applied. */
  readonly bytes: number;
  /** Numbers of the updates that are damaged and were left out. */
  readonly damaged: readonly number[];
}

export class LoadedGeneration<Extra> {
  readonly shards: ShardSet;
  readonly pins: LivePins;
  readonly lexical: LiveLexical;
  readonly engine: ShardEngine;
  readonly applier: Applier;
  readonly extra: Extra;
  readonly #attachment: Attachment<Extra>;
  #dir: string;
  #manifest: Manifest;
  #holders = 0;
  #onIdle: (() => void) | undefined;

  private constructor({ dir, manifest, shards, pins, lexical, engine, attachment }: Parts<Extra>) {
    this.#dir = dir;
    this.#manifest = manifest;
    this.shards = shards;
    this.pins = pins;
    this.lexical = lexical;
    this.engine = engine;
    this.applier = new Applier(manifest.config, shards, pins, lexical);
    this.extra = attachment.extra;
    this.#attachment = attachment;
  }

  /**
   * Loads a generation as its files hold it. Rejects with unknown_generation, missing_file, corrupt_file,
   * unsupported_version, shard_full or not_enough_memory; nothing stays open then.
   */
  static async load<Extra>(
    dir: string,
    host: EngineHost,
    attach: Attach<Extra>,
    limitBytes?: number,
  ): Promise<LoadedGeneration<Extra>> {
    const manifest = await readManifest(dir);
    await checkMemory(dir, manifest, host.availableBytes());
    const options = { ...host, ...(limitBytes !== undefined && { limitBytes }) };
    const [loading, opening] = await Promise.allSettled([
      ShardSet.load(dir, manifest, options),
      openPinStore(join(dir, manifest.pins.dir), manifest.pins),
    ]);
    const shards = loading.status === 'fulfilled' ? loading.value : undefined;
    const store = opening.status === 'fulfilled' ? opening.value : undefined;
    let lexical: LiveLexical | undefined;
    try {
      if (!shards) throw (loading as PromiseRejectedResult).reason;
      if (!store) throw (opening as PromiseRejectedResult).reason;
      checkPins(dir, manifest, shards, store);
      const pins = new LivePins(store, manifest.seq, manifest.count);
      lexical = new LiveLexical({ dir, manifest }, pins);
      const engine = new ShardEngine({
        name: host.name,
        manifest,
        shards,
        pins,
        lexical,
        products: host.products,
      });
      const attachment = await attach(manifest, engine);
      return new LoadedGeneration({ dir, manifest, shards, pins, lexical, engine, attachment });
    } catch (error) {
      await lexical?.close();
      if (shards) await shards.close();
      else await letGo(manifest.shards.reduce((sum, { bytes }) => sum + bytes, 0));
      await store?.close();
      throw error;
    }
  }

  get manifest(): Manifest {
    return this.#manifest;
  }

  /** Where the files lie. */
  get dir(): string {
    return this.#dir;
  }

  get model(): string | null {
    return this.#manifest.config.model;
  }

  /**
   * Applies the updates of the log from the last one that can be seen up to `last`.
   * Rejects with model_mismatch, zero_vector, bad_attribute, shard_full, or model_unavailable when texts have to be embedded again.
   */
  async replay(log: IndexLog, last: number, typesOfLog?: AttributeTypes): Promise<ReplayReport> {
    const damaged: number[] = [];
    let bytes = 0;
    let group: NumberedUpdate[] = [];
    let ids = new Set<string>();
    const underWay: Promise<void>[] = [];
    const start = async () => {
      if (group.length === 0) return;
      failpoint('replay.batch');
      const applied = this.applier.apply(group, async () => {});
      applied.catch(() => {});
      underWay.push(applied);
      group = [];
      ids = new Set();
      if (underWay.length >= REPLAY_GROUPS) await underWay.shift();
    };
    for (let seq = this.pins.seq; seq < last; ) {
      const read = await log.read(seq, last, READ_BYTES);
      damaged.push(...read.damaged);
      for (const update of read.updates) {
        bytes += update.bytes.length;
        const operations = await this.#fit(update.seq, decodeUpdate(update.bytes), typesOfLog);
        const isRepeated = operations.some(({ id }) => ids.has(id));
        if (isRepeated || ids.size + operations.length > REPLAY_PINS) await start();
        for (const { id } of operations) ids.add(id);
        group.push({ seq: update.seq, operations });
      }
      seq = read.through;
    }
    await start();
    await Promise.all(underWay);
    await this.applier.settled();
    return { bytes, damaged };
  }

  /** The operations of an update as this generation takes them. */
  async #fit(
    seq: number,
    record: UpdateRecord,
    typesOfLog: AttributeTypes | undefined,
  ): Promise<readonly Operation[]> {
    const { generation, config } = this.#manifest;
    const { embed } = this.#attachment;
    const taker = { name: `generation ${generation}`, config, embeds: embed !== undefined, typesOfLog };
    const { operations, texts } = fitUpdate(seq, record, taker);
    if (!texts) return operations;
    const vectors = (await embed!(texts)).values();
    return operations.map((operation) =>
      operation.kind === 'upsert' ? { ...operation, vector: vectors.next().value! } : operation,
    );
  }

  /** Goes on as a generation that holds what this one has become up to the generation's seq. */
  async become(dir: string, manifest: Manifest): Promise<void> {
    const store = await openPinStore(join(dir, manifest.pins.dir), manifest.pins);
    const before = this.pins.rebase(store, manifest.seq);
    this.engine.rename(manifest);
    this.lexical.rebase({ dir, manifest });
    this.#manifest = manifest;
    this.#dir = dir;
    await before.close();
  }

  /** Keeps the generation open until the function returned is called. */
  hold(): () => void {
    this.#holders++;
    return () => {
      if (--this.#holders === 0) this.#onIdle?.();
    };
  }

  /** Waits until nobody holds it, then gives everything back. */
  async close(): Promise<void> {
    if (this.#holders > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
    await this.engine.close();
    await this.#attachment.close();
  }
}

/** Refuses what would not fit, with numbers, before anything is loaded: not_enough_memory. */
async function checkMemory(dir: string, manifest: Manifest, availableBytes: number): Promise<void> {
  // A segment is as long as its shard in memory. Where manifest and file disagree, loading says so
  const sizes = manifest.shards.map(({ file, bytes }) =>
    stat(join(dir, file)).then(
      ({ size }) => Math.min(size, bytes),
      () => 0,
    ),
  );
  const needed = (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
  if (needed <= availableBytes) return;
  throw new NearpinError(
    'not_enough_memory',
    `generation ${manifest.generation} needs ${needed} bytes of memory and ${availableBytes} are available`,
  );
}

/** Each file is whole by now; this finds a manifest that puts files together which do not belong together. */
function checkPins(dir: string, manifest: Manifest, { shards }: ShardSet, pins: PinStore): void {
  for (const [s, shard] of shards.entries()) {
    const step = Math.max(1, Math.floor(shard.count / PINS_CHECKED));
    for (let ordinal = 0; ordinal < shard.count; ordinal += step) {
      if (!shard.isLive(ordinal)) continue;
      const stored = pins.get(shard.id(ordinal));
      if (stored?.shard !== s || stored.ordinal !== ordinal) {
        throw corruptFile(join(dir, manifest.shards[s]!.file), 'holds other pins than the pin store says');
      }
    }
  }
}
