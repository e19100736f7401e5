/**
 * An index that is written to while it is served.
 *
 * A write is numbered, joins the group that is collected while the group before is being committed, and goes to the
 * update log and to the shards' writers at once: the commit, one fsync for the whole group, runs beside the insertions.
 * It is acknowledged when it is both durable and visible, and it is visible only when it is durable (apply.ts,
 * live-pins.ts). So what a search has shown outlives a crash, and so does what was acknowledged.
 *
 * What an index holds is always its generation and every update after the generation's seq. Opening, falling back to an
 * older generation, publishing another one and rolling back are the same: load, replay, serve.
 */
import { join, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { IndexConfig } from '../index/config.ts';
import { encodeManifest, GENERATION_NAME, type Manifest } from '../index/manifest.ts';
import { NearpinError } from '../lib/errors.ts';
import type { Checkpoint } from '../shards/checkpoint.ts';
import type { IndexLog } from '../shards/log-thread.ts';
import { monotonicMs } from '../shards/protocol.ts';
import {
  abandonStaging,
  currentGeneration,
  listGenerations,
  publishGeneration,
  readManifest,
  removeGeneration,
  setCurrentGeneration,
  setGenerationAside,
  stageGeneration,
  typesOfLog,
} from '../storage/generation.ts';
import { lockIndex } from '../storage/index-lock.ts';
import type { LogExtent } from '../storage/update-log.ts';
import type { Operation } from '../storage/update-record.ts';
import type {
  DeleteAnswer,
  GenerationDescription,
  LiveDescription,
  LiveEngine,
  PinDelete,
  PinWrite,
  UpsertAnswer,
  Warning,
} from './engine.ts';
import type { EngineHost } from './engine-host.ts';
import { type Attach, LoadedGeneration } from './loaded-generation.ts';
import { WriteQueue } from './write-queue.ts';

/** Generations that a checkpoint leaves, the one it wrote among them; the log goes back to the oldest. */
const GENERATIONS_KEPT = 3;
/**
 * A checkpoint is made by itself when the log since the last one is longer than this, and than half the segments; or
 * when more pins have changed than this, and than a quarter of them: they are kept in this process's memory.
 */
const CHECKPOINT_BYTES_MIN = 64 * 1024 * 1024;
const CHECKPOINT_SHARE = 0.5;
const CHECKPOINT_CHANGES_MIN = 20_000;
const CHECKPOINT_CHANGES_SHARE = 0.25;
/** Publishing replays with writes going on until so few updates are left that they can wait for the rest. */
const CATCH_UP_UPDATES = 64;
const CATCH_UP_ROUNDS = 8;
/** Shards are made anew when, beside their copies, there is memory for them so many times over: made, and then loaded. */
const RENEWING_COPIES = 2;
/** A shard that is fuller than this is warned of. */
const FILL_WARNING = 0.8;

export interface LiveIndexOptions<Extra> {
  readonly attach: Attach<Extra>;
  /** Leaves the files as they are, and refuses writes. */
  readonly readOnly?: boolean;
  /** Most bytes of one shard's memory. */
  readonly limitBytes?: number;
  /** Bytes of log after which a checkpoint is made by itself; as the size of the index says when absent. */
  readonly checkpointBytes?: number;
  /** Hears what those who run the index should know, once each. */
  readonly onWarning?: (warning: Warning) => void;
}

/** What opening found out. */
interface Opened<Extra> {
  readonly indexDir: string;
  readonly host: EngineHost;
  readonly options: LiveIndexOptions<Extra>;
  readonly loaded: LoadedGeneration<Extra>;
  readonly log: IndexLog;
  readonly base: number;
  readonly last: number;
  readonly replayedBytes: number;
  readonly warnings: Warning[];
  /** Why writes are refused. */
  readonly refusal: NearpinError | undefined;
  readonly unlock: () => void;
}

const readOnlyCodes: readonly string[] = ['index_locked', 'io_error', 'disk_full'];

export class LiveIndex<Extra> implements LiveEngine {
  readonly #indexDir: string;
  readonly #host: EngineHost;
  readonly #options: LiveIndexOptions<Extra>;
  readonly #log: IndexLog;
  readonly #queue: WriteQueue | undefined;
  readonly #refusal: NearpinError | undefined;
  readonly #warnings: Warning[];
  readonly #unlock: () => void;
  #loaded: LoadedGeneration<Extra>;
  /** Updates after this one are in the log. */
  #logBase: number;
  /** Bytes of updates since the generation that is served. */
  #loggedBytes: number;
  /** Generations that are being let go of. */
  readonly #closing = new Set<Promise<void>>();
  /** Checkpoints and publishings, one after the other. */
  #last: Promise<unknown> = Promise.resolve();
  #isCheckpointing = false;
  /** Pins that had changed when a checkpoint failed. */
  #changesAtFailure = 0;
  /** Whether it was said that a shard is nearly full. */
  #isFullSaid = false;
  #closed: Promise<void> | undefined;

  private constructor(opened: Opened<Extra>) {
    this.#indexDir = opened.indexDir;
    this.#host = opened.host;
    this.#options = opened.options;
    this.#loaded = opened.loaded;
    this.#log = opened.log;
    this.#logBase = opened.base;
    this.#loggedBytes = opened.replayedBytes;
    this.#warnings = opened.warnings;
    this.#refusal = opened.refusal;
    this.#unlock = opened.unlock;
    if (!opened.refusal) {
      this.#queue = new WriteQueue(opened.log, opened.last, opened.loaded, {
        onFault: (error) => this.#heal(error),
        onVisible: (bytes) => this.#onVisible(bytes),
      });
    }
    this.#sayFull();
  }

  /**
   * Opens the index in a directory: its current generation, or the newest good one before it, and the updates since.
   * Rejects with unknown_index, missing_file, corrupt_file, unsupported_version, shard_full, not_enough_memory,
   * model_mismatch or bad_attribute; nothing stays open then.
   */
  static async open<Extra>(
    indexDir: string,
    host: EngineHost,
    options: LiveIndexOptions<Extra>,
  ): Promise<LiveIndex<Extra>> {
    const dir = resolve(indexDir);
    await listGenerations(dir);
    const warnings: Warning[] = [];
    const warn = (warning: Warning) => {
      warnings.push(warning);
      options.onWarning?.(warning);
    };
    let refusal: NearpinError | undefined;
    let unlock = () => {};
    if (options.readOnly) {
      refusal = new NearpinError('index_locked', `${dir} is open for reading only`);
    } else {
      try {
        unlock = lockIndex(dir);
      } catch (error) {
        if (!(error instanceof NearpinError) || !readOnlyCodes.includes(error.code)) throw error;
        refusal = error;
      }
    }
    const log = host.logs.logOf(dir, refusal !== undefined);
    try {
      const opening = openLog(log, refusal !== undefined, warn);
      opening.catch(() => {});
      const loaded = await loadNewestGood(dir, host, options, refusal !== undefined, opening, warn);
      const { seq } = loaded.manifest;
      let replayedBytes = 0;
      let base = 0;
      let last = 0;
      try {
        const extent = await opening;
        if (extent) ({ base, last } = extent);
        if (last > seq) {
          const { bytes, damaged } = await loaded.replay(
            log,
            last,
            await typesOfLog(dir, loaded.manifest.generation),
          );
          replayedBytes = bytes;
          if (damaged.length > 0) {
            const message = `updates ${damaged.join(', ')} of the log are damaged and were left out`;
            warn({ code: 'corrupt_file', message });
          }
        }
        // The first updates of an index that came with a generation from elsewhere
        if (extent && refusal === undefined && last < seq) await log.startAfter(seq);
      } catch (error) {
        await loaded.close();
        throw error;
      }
      return new LiveIndex({
        indexDir: dir,
        host,
        options,
        loaded,
        log,
        base: last < seq ? seq : base,
        last: Math.max(last, seq),
        replayedBytes,
        warnings,
        refusal,
        unlock,
      });
    } catch (error) {
      await log.close();
      unlock();
      throw error;
    }
  }

  /** Runs something with the generation that is served now, which stays open until it has ended. */
  async use<Result>(run: (loaded: LoadedGeneration<Extra>) => Promise<Result>): Promise<Result> {
    if (this.#closed) throw new NearpinError('closed', 'the index is closed');
    const loaded = this.#loaded;
    const release = loaded.hold();
    try {
      return await run(loaded);
    } finally {
      release();
    }
  }

  /** The generation that is served now. */
  get loaded(): LoadedGeneration<Extra> {
    return this.#loaded;
  }

  describeLive(): LiveDescription {
    const { fill, limitBytes, warning } = this.#fullest();
    const oldest = this.#queue?.oldestMs;
    return {
      readOnly: this.#writeRefusal()?.code ?? null,
      seqWritten: this.#queue?.durableSeq ?? this.#loaded.pins.seq,
      seqSearchable: this.#loaded.pins.seq,
      lagMs: oldest === undefined ? 0 : Math.max(0, monotonicMs() - oldest),
      waitingPins: this.#queue?.waitingPins ?? 0,
      ...(this.#loaded.lexical.hasWords && { lexical: this.#loaded.lexical.describe() }),
      logBase: this.#logBase,
      fill,
      limitBytes,
      warnings: warning ? [...this.#warnings, warning] : this.#warnings,
    };
  }

  /** The shard that is nearest to its limit, and the warning when it is near. */
  #fullest(): { fill: number; limitBytes: number; warning: Warning | undefined } {
    const { bytes, limitBytes } = this.#loaded.shards
      .stats()
      .reduce((most, shard) =>
        shard.bytes / shard.limitBytes > most.bytes / most.limitBytes ? shard : most,
      );
    const fill = bytes / limitBytes;
    const message = `a shard holds ${bytes} of at most ${limitBytes} bytes`;
    return { fill, limitBytes, warning: fill >= FILL_WARNING ? { code: 'shard_full', message } : undefined };
  }

  /** Says that a shard is nearly full, once each time that one comes to be. */
  #sayFull(): void {
    const { warning } = this.#fullest();
    if (warning && !this.#isFullSaid) this.#options.onWarning?.(warning);
    this.#isFullSaid = warning !== undefined;
  }

  /** Why a write would be refused. */
  #writeRefusal(): NearpinError | undefined {
    if (this.#host.name === 'hnswlib') {
      return new NearpinError(
        'read_only_engine',
        'the hnswlib engine builds its graphs once and takes no writes',
      );
    }
    return this.#refusal;
  }

  #writable(): WriteQueue {
    const refusal = this.#closed ? new NearpinError('closed', 'the index is closed') : this.#writeRefusal();
    if (refusal) throw refusal;
    return this.#queue!;
  }

  async upsert(pins: readonly PinWrite[], checkedBy: IndexConfig): Promise<UpsertAnswer> {
    const { config } = this.#loaded.manifest;
    if (checkedBy !== config && !isDeepStrictEqual(checkedBy, config)) {
      throw swapped();
    }
    const operations = pins.map(({ id, vector, text = null, attributes, payload }): Operation => {
      if (vector === undefined) return { kind: 'change', id, attributes: attributes ?? null, payload };
      return { kind: 'upsert', id, vector, text, attributes: attributes ?? {}, payload };
    });
    const { seq } = await this.#writable().write(operations, pins, 'pins');
    return { seq, upserted: pins.length };
  }

  async delete(pins: readonly PinDelete[]): Promise<DeleteAnswer> {
    const operations = pins.map(({ id }): Operation => ({ kind: 'delete', id }));
    const { seq, existed } = await this.#writable().write(operations, pins, 'ids');
    return { seq, deleted: existed };
  }

  #onVisible(bytes: number): void {
    this.#loggedBytes += bytes;
    this.#sayFull();
    if (this.#isCheckpointing || this.#closed || !this.#isDue()) return;
    this.checkpoint().catch((error: Error) => {
      // Not again before as much has come once more
      this.#loggedBytes = 0;
      this.#changesAtFailure = this.#loaded.pins.changes;
      const code = error instanceof NearpinError ? error.code : 'internal';
      this.#warn({ code, message: `a checkpoint failed: ${error.message}` });
    });
  }

  /** Whether so much has changed since the generation was written that it is time for another. */
  #isDue(): boolean {
    const { manifest, pins } = this.#loaded;
    const { checkpointBytes } = this.#options;
    if (checkpointBytes !== undefined) return this.#loggedBytes >= checkpointBytes;
    const segments = manifest.shards.reduce((sum, shard) => sum + shard.bytes, 0);
    return (
      this.#loggedBytes >= Math.max(CHECKPOINT_BYTES_MIN, segments * CHECKPOINT_SHARE) ||
      pins.changes - this.#changesAtFailure >=
        Math.max(CHECKPOINT_CHANGES_MIN, pins.count * CHECKPOINT_CHANGES_SHARE)
    );
  }

  #warn(warning: Warning): void {
    this.#warnings.push(warning);
    this.#options.onWarning?.(warning);
  }

  /** One after the other. */
  #exclusively<Result>(run: () => Promise<Result>): Promise<Result> {
    if (this.#closed) return Promise.reject(new NearpinError('closed', 'the index is closed'));
    const done = this.#last.then(run);
    this.#last = done.catch(() => {});
    return done;
  }

  async checkpoint(): Promise<GenerationDescription> {
    if (this.#refusal) throw this.#refusal;
    return this.#exclusively(async () => {
      this.#isCheckpointing = true;
      try {
        return await this.#host.checkpoints.run((checkpoint) => this.#checkpoint(checkpoint));
      } finally {
        this.#isCheckpointing = false;
      }
    });
  }

  async #checkpoint(checkpoint: Checkpoint): Promise<GenerationDescription> {
    const queue = this.#queue!;
    const { manifest: base, dir: baseDir, pins, shards } = this.#loaded;
    const staging = await stageGeneration(this.#indexDir);
    let generation: string | undefined;
    try {
      await queue.pause();
      let seq: number;
      let bytesBefore: number;
      let keywords: ReturnType<typeof pins.newKeywords>;
      try {
        seq = pins.seq;
        bytesBefore = this.#loggedBytes;
        keywords = pins.newKeywords();
        await checkpoint.copy(shards.writers.map(({ memory }) => memory));
      } finally {
        queue.resume();
      }
      const bytes = shards.stats().reduce((sum, shard) => sum + shard.bytes, 0);
      const renewBytes =
        this.#host.availableBytes() < RENEWING_COPIES * bytes
          ? null
          : (this.#options.limitBytes ?? Number.POSITIVE_INFINITY);
      const call = { indexDir: this.#indexDir, staging, base, baseDir, seq, keywords, renewBytes };
      const { files, isRenewed } = await checkpoint.write(call);
      // Whoever published another generation meanwhile, by a build perhaps, wants that one to be current
      const isCurrent = (await currentGeneration(this.#indexDir)) === base.generation;
      const manifestOf = (name: string): Manifest => ({
        generation: name,
        seq,
        count: files.pins.count,
        config: base.config,
        model: base.model,
        ...files,
      });
      const encode = (name: string) => encodeManifest(manifestOf(name));
      generation = await publishGeneration(staging, encode, isCurrent && !isRenewed);
      if (isRenewed) {
        const written = generation;
        await this.#publish(written, isCurrent).catch(async (error) => {
          await removeGeneration(this.#indexDir, written);
          throw error;
        });
      } else {
        await this.#loaded.become(join(this.#indexDir, generation), manifestOf(generation));
        this.#loggedBytes -= bytesBefore;
      }
      this.#changesAtFailure = 0;
      await this.#prune();
      return await this.#describeGeneration(generation);
    } finally {
      if (generation === undefined) await abandonStaging(staging);
    }
  }

  /** Removes generations beyond those that are kept, and the updates that all of those hold. */
  async #prune(): Promise<void> {
    const names = await listGenerations(this.#indexDir);
    const current = await currentGeneration(this.#indexDir);
    const served = this.#loaded.manifest.generation;
    const kept = new Set([...names.slice(-GENERATIONS_KEPT), current, served]);
    for (const name of names) if (!kept.has(name)) await removeGeneration(this.#indexDir, name);
    const seqs = await Promise.all(
      [...kept].map(async (name) => {
        const manifest = await readManifest(join(this.#indexDir, name)).catch(() => undefined);
        return manifest?.seq ?? Number.POSITIVE_INFINITY;
      }),
    );
    const oldest = Math.min(this.#loaded.manifest.seq, ...seqs);
    await this.#log.trim(oldest);
    this.#logBase = Math.max(this.#logBase, oldest);
  }

  async generations(): Promise<GenerationDescription[]> {
    const names = await listGenerations(this.#indexDir);
    return Promise.all(names.map((name) => this.#describeGeneration(name)));
  }

  async #describeGeneration(name: string): Promise<GenerationDescription> {
    const isCurrent = name === this.#loaded.manifest.generation;
    try {
      const { seq, count, config, shards, pins } = await readManifest(join(this.#indexDir, name));
      const bytes = shards.reduce((sum, shard) => sum + shard.bytes, pins.bytes);
      return {
        generation: name,
        isCurrent,
        seq,
        count,
        model: config.model,
        bytes,
        canPublish: seq >= this.#logBase,
      };
    } catch (error) {
      if (!(error instanceof NearpinError)) throw error;
      return { generation: name, isCurrent, seq: 0, count: 0, model: null, bytes: 0, canPublish: false };
    }
  }

  async publish(generation: string): Promise<GenerationDescription> {
    if (this.#refusal) throw this.#refusal;
    return this.#exclusively(async () => {
      await this.#publish(generation, true);
      return this.#describeGeneration(generation);
    });
  }

  /** Loads one of the index's generations as its files hold it. */
  async #load(generation: string): Promise<LoadedGeneration<Extra>> {
    if (!GENERATION_NAME.test(generation) || !(await listGenerations(this.#indexDir)).includes(generation)) {
      throw new NearpinError('unknown_generation', `there is no generation ${JSON.stringify(generation)}`);
    }
    const { attach, limitBytes } = this.#options;
    const dir = join(this.#indexDir, generation);
    const { seq } = await readManifest(dir);
    if (seq < this.#logBase) throw trimmed(generation, seq, this.#logBase);
    return LoadedGeneration.load(dir, this.#host, attach, limitBytes);
  }

  /**
   * Loads a generation beside the one that is served, with the updates up to now applied to it; `follow` brings it later
   * ones. Whoever asked closes it, before the index. Rejects as `publish` does.
   */
  beside(generation: string): Promise<LoadedGeneration<Extra>> {
    return this.#exclusively(async () => {
      const loaded = await this.#load(generation);
      try {
        await this.#bringUpdates(loaded);
        return loaded;
      } catch (error) {
        await loaded.close();
        throw error;
      }
    });
  }

  /**
   * Applies the updates up to now to a generation that lies beside, which is searched meanwhile. Rejects as `publish` does;
   * the generation can go on no more then.
   */
  follow(beside: LoadedGeneration<Extra>): Promise<void> {
    return this.#exclusively(() => this.#bringUpdates(beside));
  }

  async #bringUpdates(beside: LoadedGeneration<Extra>): Promise<void> {
    const { attributes } = this.#loaded.manifest.config;
    const last = this.#queue?.settledSeq ?? this.#loaded.pins.seq;
    const { seq } = beside.pins;
    if (last <= seq) return;
    if (seq < this.#logBase) throw trimmed(beside.manifest.generation, seq, this.#logBase);
    await beside.replay(this.#log, last, attributes);
  }

  async #publish(generation: string, isCurrent: boolean): Promise<void> {
    const queue = this.#queue!;
    const next = await this.#load(generation);
    try {
      const types = this.#loaded.manifest.config.attributes;
      let bytes = 0;
      const catchUp = async () => {
        bytes += (await next.replay(this.#log, queue.settledSeq, types)).bytes;
      };
      await next.lexical.ready();
      for (let round = 0; round < CATCH_UP_ROUNDS; round++) {
        await catchUp();
        if (queue.settledSeq - next.pins.seq <= CATCH_UP_UPDATES) break;
      }
      await queue.pause();
      try {
        await catchUp();
        if (isCurrent) await setCurrentGeneration(this.#indexDir, generation);
        const isSameKind = isDeepStrictEqual(next.manifest.config, this.#loaded.manifest.config);
        this.#letGo(this.#loaded);
        this.#loaded = next;
        this.#loggedBytes = bytes;
        queue.retarget(next, isSameKind ? undefined : swapped());
        this.#sayFull();
      } finally {
        queue.resume();
      }
    } catch (error) {
      await next.close();
      throw error;
    }
  }

  #letGo(loaded: LoadedGeneration<Extra>): void {
    const closing = loaded.close();
    this.#closing.add(closing);
    void closing.finally(() => this.#closing.delete(closing));
  }

  /** A writer has failed within a graph: the generation is loaded anew, with every update that was acknowledged. */
  #heal(error: NearpinError): void {
    if (this.#closed) return;
    this.#warn({
      code: error.code,
      message: `a writer failed and the index is loaded anew: ${error.message}`,
    });
    this.#exclusively(() => this.#publish(this.#loaded.manifest.generation, false)).catch((again: Error) => {
      this.#warn({ code: 'internal', message: `the index could not be loaded anew: ${again.message}` });
    });
  }

  /** Ends the writes and searches under way, then gives everything back. Closing twice is fine. */
  close(): Promise<void> {
    this.#closed ??= this.#end();
    return this.#closed;
  }

  async #end(): Promise<void> {
    await this.#last;
    await this.#queue?.close(new NearpinError('closed', 'the index is closed'));
    await this.#loaded.close();
    await Promise.all([...this.#closing]);
    await this.#log.close();
    this.#unlock();
  }
}

/** Why a generation cannot be brought up to date. */
function trimmed(generation: string, seq: number, base: number): NearpinError {
  const message = `generation ${generation} holds updates up to ${seq}, and those up to ${base} are kept no more`;
  return new NearpinError('log_trimmed', message);
}

/** The refusal of a write that was checked against another config than is served. */
function swapped(): NearpinError {
  return new NearpinError('overloaded', 'the index was swapped while the pins were checked; try again');
}

/** Opens the log; a damaged one is put aside where the index may be written. */
async function openLog(log: IndexLog, readOnly: boolean, warn: (warning: Warning) => void) {
  try {
    return await log.extent();
  } catch (error) {
    if (!(error instanceof NearpinError) || error.code !== 'corrupt_file') throw error;
    const where = readOnly ? 'is not read' : `now lies in ${await log.setAside()}`;
    warn({ code: 'corrupt_file', message: `the update log ${where}: ${error.message}` });
    return undefined;
  }
}

/** Faults for which an older generation is better than none. */
const DAMAGE: readonly string[] = ['corrupt_file', 'missing_file', 'unsupported_version'];

/** Loads the current generation, or when that is damaged the newest good one before from which the log goes on. */
async function loadNewestGood<Extra>(
  dir: string,
  host: EngineHost,
  { attach, limitBytes }: LiveIndexOptions<Extra>,
  readOnly: boolean,
  opening: Promise<LogExtent | undefined>,
  warn: (warning: Warning) => void,
): Promise<LoadedGeneration<Extra>> {
  const names = await listGenerations(dir);
  let current: string | undefined;
  let fault: unknown;
  try {
    current = await currentGeneration(dir);
  } catch (error) {
    fault = error;
  }
  const older = names.filter((name) => current === undefined || Number(name) < Number(current)).reverse();
  const bad: { readonly name: string; readonly message: string }[] = [];
  for (const name of current === undefined ? older : [current, ...older]) {
    try {
      // Updates between the generation and the start of the log would be missing
      if (name !== current && (await readManifest(join(dir, name))).seq < ((await opening)?.base ?? 0))
        continue;
      const loaded = await LoadedGeneration.load(join(dir, name), host, attach, limitBytes);
      if (name === current) return loaded;
      await fallBack(dir, name, bad, readOnly, warn, fault);
      return loaded;
    } catch (error) {
      if (!(error instanceof NearpinError) || !DAMAGE.includes(error.code)) throw error;
      fault ??= error;
      if (error.code !== 'unsupported_version') bad.push({ name, message: error.message });
    }
  }
  throw fault;
}

async function fallBack(
  dir: string,
  name: string,
  bad: readonly { readonly name: string; readonly message: string }[],
  readOnly: boolean,
  warn: (warning: Warning) => void,
  fault: unknown,
): Promise<void> {
  const because = bad.length > 0 ? bad.map(({ message }) => message).join('; ') : (fault as Error).message;
  warn({ code: 'corrupt_file', message: `generation ${name} is served in place of a newer one: ${because}` });
  if (readOnly) return;
  try {
    await setCurrentGeneration(dir, name);
    for (const each of bad) await setGenerationAside(dir, each.name);
  } catch (error) {
    warn({
      code: 'io_error',
      message: `what is damaged could not be put aside: ${(error as Error).message}`,
    });
  }
}
