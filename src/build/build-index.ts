/**
 * The offline build: files of pins to a published generation. Rows are checked, embedded and spooled in one pass;
 * then the shards are built side by side; then everything is published at once. Whatever stops it before that leaves
 * the index as it was.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { LAYOUT } from '../core/layout.ts';
import { LIMIT_PAGES_MAX } from '../core/shard.ts';
import type { WasmModule } from '../core/webassembly.ts';
import { type IndexConfig, type IndexConfigInput, resolveConfig } from '../index/config.ts';
import { encodeManifest, type ModelDescription } from '../index/manifest.ts';
import { type ParsedPin, parsePin } from '../index/pin.ts';
import { errorAt, NearpinError } from '../lib/errors.ts';
import { LIMITS } from '../lib/limits.ts';
import { buildShards } from '../shards/build-pool.ts';
import { abandonStaging, publishGeneration, stageGeneration } from '../storage/generation.ts';
import { readPinFile } from '../storage/pin-files.ts';
import { createPinStore, type PinStoreWriter } from '../storage/pin-store.ts';
import { SpoolWriter } from '../storage/spool.ts';
import { checkLogFits, checkLogGoesOn } from './check-log.ts';
import { type BadRow, type EmbedDocuments, Ingest } from './ingest.ts';
import { shardsForFiles } from './shard-count.ts';

/** The model that texts are embedded with. */
export interface BuildModel {
  readonly description: ModelDescription;
  readonly embed: EmbedDocuments;
}

/** How far a build is. `total` is unknown while the input is read. */
export interface BuildProgress {
  readonly phase: 'read' | 'insert';
  readonly done: number;
  readonly total?: number;
}

export interface BuildOptions {
  /** Paths of input files; `-` is standard input. */
  readonly files: readonly string[];
  readonly stdin: Readable;
  /** Directory of the index. */
  readonly indexDir: string;
  /** The config but for what the input and the model decide. */
  readonly config: Omit<IndexConfigInput, 'dim' | 'model' | 'shards'>;
  readonly shards: number | 'auto';
  /** Name of what made the vectors, where no model of ours does. */
  readonly vectorsFrom?: string;
  /** The model, when one was chosen. */
  readonly model?: BuildModel;
  /** Opens the model for texts when none was chosen. */
  readonly defaultModel: () => Promise<BuildModel>;
  readonly skipBad: boolean;
  readonly onBad: (bad: BadRow) => void;
  readonly onProgress: (progress: BuildProgress) => void;
  readonly module: WasmModule;
  readonly threads: number;
  readonly limitBytes?: number;
  /** The last update that the input holds; those after it are applied when the generation is served. 0 when absent. */
  readonly seq?: number;
  /** Whether the generation is to be the current one; true when absent. */
  readonly isCurrent?: boolean;
  readonly signal?: AbortSignal;
}

export interface BuildReport {
  readonly generation: string;
  readonly config: IndexConfig;
  readonly count: number;
  readonly bad: number;
  /** The least and the greatest length of the vectors that came in, under cosine, which does not count them. */
  readonly lengths?: { readonly least: number; readonly greatest: number };
  readonly shards: readonly { readonly count: number; readonly bytes: number }[];
}

/** A bad row as an error of the build: file, line, reason. */
function refusal({ file, row, error }: BadRow): NearpinError {
  const at = `${file}:${row}`;
  const details = error.details.map(({ path, message }) => ({ path: path ? `${at} ${path}` : at, message }));
  return new NearpinError(error.code, `${at}: ${error.message}`, details);
}

/**
 * Builds and publishes a generation. An abort is heeded until the generation is whole and only has to be published.
 * Throws what is wrong with the input, the config or the model; log_trimmed when updates after `seq` are no longer kept,
 * and what checkLogFits throws when the generation, which is to be current, could not take them; shard_full, io_error, or
 * the signal's reason. Nothing is published then, and no trace is left.
 */
export async function buildIndex(options: BuildOptions): Promise<BuildReport> {
  const { signal } = options;
  const limitBytes = options.limitBytes ?? LIMIT_PAGES_MAX * LAYOUT.NP_PAGE;
  const seq = options.seq ?? 0;
  await checkLogGoesOn(options.indexDir, seq);
  const staging = await stageGeneration(options.indexDir);
  let pins: PinStoreWriter | undefined;
  const spools: SpoolWriter[] = [];
  let published = false;
  try {
    pins = await createPinStore(join(staging, 'pins'));
    const read = await readInput(options, limitBytes, staging, pins, spools);
    const { config, ingest, model, bad } = read;
    const checkUpdates = async () => {
      if (options.isCurrent !== false) await checkLogFits(options.indexDir, seq, config, model !== null);
    };
    await checkUpdates();
    const total = pins.count;
    const tasks = spools.map((spool, shard) => ({
      config,
      shard,
      spool: spool.path,
      count: spool.count,
      recordBytes: ingest.recordBytes[shard]!,
      segment: join(staging, `shard-${String(shard).padStart(3, '0')}.seg`),
      limitBytes,
    }));
    const onProgress = (done: number) => options.onProgress({ phase: 'insert', done, total });
    const built = await buildShards(options.module, tasks, options.threads, onProgress, signal);
    for (const { path } of spools) rmSync(path);
    pins.renumber(built.map(({ places }) => places));
    const pinSeal = await pins.finish(ingest.dictionary.entries());
    pins = undefined;
    const shards = built.map(({ seal, stats }, shard) => ({
      file: `shard-${String(shard).padStart(3, '0')}.seg`,
      ...seal,
      count: stats.live,
    }));
    // Updates may have come meanwhile
    await checkUpdates();
    signal?.throwIfAborted();
    const manifestOf = (name: string) =>
      encodeManifest({
        generation: name,
        seq,
        count: total,
        config,
        model,
        shards,
        pins: { dir: 'pins', ...pinSeal, ...(ingest.hasWords && { words: true }) },
      });
    const generation = await publishGeneration(staging, manifestOf, options.isCurrent);
    published = true;
    return {
      generation,
      config,
      count: total,
      bad,
      ...(ingest.lengths.greatest > 0 && { lengths: ingest.lengths }),
      shards: built.map(({ stats }) => ({ count: stats.live, bytes: stats.bytes })),
    };
  } catch (error) {
    // Whatever an abort made fail, it is the abort that ended the build
    if (!published) signal?.throwIfAborted();
    throw error;
  } finally {
    if (!published) {
      await pins?.abandon();
      await abandonStaging(staging);
    }
  }
}

interface Read {
  readonly config: IndexConfig;
  readonly ingest: Ingest;
  readonly model: ModelDescription | null;
  readonly bad: number;
}

/** Reads all files into the spools and the pin store. The first good row decides what the config leaves open. */
async function readInput(
  options: BuildOptions,
  limitBytes: number,
  staging: string,
  pins: PinStoreWriter,
  spools: SpoolWriter[],
): Promise<Read> {
  const { signal, stdin } = options;
  let { model } = options;
  let config: IndexConfig | undefined;
  let ingest: Ingest | undefined;
  let rows = 0;
  let bad = 0;
  const onBad = (row: BadRow) => {
    bad++;
    if (!options.skipBad) throw refusal(row);
    options.onBad(row);
  };
  const configOf = (dim: number): IndexConfigInput => {
    const name = model ? `${model.description.name}@${model.description.revision}` : options.vectorsFrom;
    return { ...options.config, dim, ...(name !== undefined && { model: name }) };
  };
  const open = async (pin: ParsedPin): Promise<Ingest> => {
    if (pin.text !== undefined) model ??= await options.defaultModel();
    const input = configOf(model?.description.dim ?? pin.vector!.length);
    config = resolveConfig(input);
    const shards =
      options.shards === 'auto'
        ? await shardsForFiles(config, {
            files: options.files,
            stdin,
            limitBytes,
            hasTexts: model !== undefined,
            signal,
          })
        : options.shards;
    config = resolveConfig({ ...input, shards });
    for (let shard = 0; shard < shards; shard++) {
      spools.push(new SpoolWriter(join(staging, `spool-${shard}`)));
    }
    return new Ingest(config, { pins, spools, embed: model?.embed, onBad });
  };

  // What is wrong with the config is told before anything is read
  const draft = resolveConfig(configOf(model?.description.dim ?? LIMITS.dimMin));
  if (options.shards !== 'auto') resolveConfig({ ...draft, shards: options.shards });
  const stop = () => stdin.destroy(new Error('aborted'));
  if (options.files.includes('-')) signal?.addEventListener('abort', stop, { once: true });
  try {
    for (const path of options.files) {
      const file = path === '-' ? 'stdin' : path;
      for await (const row of readPinFile(path, stdin)) {
        signal?.throwIfAborted();
        if (++rows % 1024 === 0) options.onProgress({ phase: 'read', done: rows });
        if ('error' in row) {
          onBad({ file, row: row.row, error: withoutPlace(row.error, `${file}:${row.row}`) });
          continue;
        }
        if (!ingest) {
          const pin = firstPin(row.value, draft, model?.description.dim);
          if (pin instanceof NearpinError) {
            onBad({ file, row: row.row, error: pin });
            continue;
          }
          ingest = await open(pin);
        }
        await ingest.add(file, row.row, row.value);
      }
    }
    await ingest?.end();
    options.onProgress({ phase: 'read', done: rows });
    for (const spool of spools) spool.end();
  } catch (error) {
    for (const spool of spools) spool.abandon();
    throw error;
  } finally {
    signal?.removeEventListener('abort', stop);
  }
  if (!config || !ingest || pins.count === 0) {
    const found = bad > 0 ? `no good pins in ${bad} lines` : 'no pins';
    throw new NearpinError('bad_file', `${options.files.join(', ')}: ${found}`);
  }
  return { config, ingest, model: model?.description ?? null, bad };
}

/** The row as a pin, or what is wrong with it, while only a model can have decided the number of dimensions. */
function firstPin(
  value: unknown,
  draft: IndexConfig,
  modelDim: number | undefined,
): ParsedPin | NearpinError {
  const { vector } = (value ?? {}) as { vector?: { length?: unknown } };
  const dim = modelDim ?? (typeof vector?.length === 'number' ? vector.length : draft.dim);
  try {
    const pin = parsePin(value, { ...draft, dim }, '');
    if (dim >= LIMITS.dimMin && dim <= LIMITS.dimMax) return pin;
    return errorAt('bad_dim', 'vector', `has ${dim} dimensions, not ${LIMITS.dimMin} to ${LIMITS.dimMax}`);
  } catch (error) {
    if (error instanceof NearpinError) return error;
    throw error;
  }
}

/** An error of a reader, which names the file and the line itself, without them. */
function withoutPlace(error: NearpinError, at: string): NearpinError {
  const [detail] = error.details;
  return detail?.path === at
    ? new NearpinError(error.code, detail.message, [{ ...detail, path: '' }])
    : error;
}
