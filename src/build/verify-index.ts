/**
 * Verifies the current generation of an index: every checksum, every invariant of the graphs, that pin store, shards
 * and manifest speak of the same pins, the updates of the log, and recall on a sample. It reads everything and changes nothing.
 */
import { join } from 'node:path';
import type { Shard } from '../core/shard.ts';
import type { WasmModule } from '../core/webassembly.ts';
import { encodeRow, type RowLayout, rowLayout } from '../index/attributes.ts';
import type { Manifest } from '../index/manifest.ts';
import { type ErrorCode, fromErrorRecord, NearpinError } from '../lib/errors.ts';
import { Prng } from '../lib/prng.ts';
import type { SearchPool } from '../shards/pool.ts';
import type { ShardFailure, ShardHits } from '../shards/protocol.ts';
import { ShardSet } from '../shards/shard-set.ts';
import type { Writers } from '../shards/writers.ts';
import { currentGeneration, readManifest } from '../storage/generation.ts';
import { openPinStore, type PinStore } from '../storage/pin-store.ts';
import { UpdateLog } from '../storage/update-log.ts';

export interface VerifyOptions {
  readonly module: WasmModule;
  readonly pool: SearchPool;
  readonly writers: Writers;
  /** Pins whose own vectors are searched for to measure recall; 0 for none. */
  readonly samples: number;
  readonly k: number;
  readonly ef: number;
  /** Recall below this is a problem. */
  readonly minRecall: number;
  readonly seed: number;
}

export interface VerifyProblem {
  readonly code: ErrorCode;
  readonly message: string;
}

export interface VerifyReport {
  readonly generation: string;
  readonly count: number;
  /** Mean share of the exact k nearest that the graph found; null when nothing was sampled. */
  readonly recall: number | null;
  /** Empty when all is well. */
  readonly problems: readonly VerifyProblem[];
}

/** Bytes of updates that are looked at at once. */
const LOG_READ_BYTES = 4 * 1024 * 1024;

/** Problems of one kind that are listed; the rest are counted. */
const LISTED = 10;

/** Verifies an index. A file that cannot be read at all is a problem, too; rejects only with unknown_index. */
export async function verifyIndex(indexDir: string, options: VerifyOptions): Promise<VerifyReport> {
  const problems: VerifyProblem[] = [];
  let generation = '';
  let manifest: Manifest | undefined;
  let pins: PinStore | undefined;
  let shards: ShardSet | undefined;
  try {
    generation = await currentGeneration(indexDir);
    const dir = join(indexDir, generation);
    manifest = await readManifest(dir);
    pins = await openPinStore(join(dir, manifest.pins.dir), manifest.pins);
    const set = await ShardSet.load(dir, manifest, options);
    shards = set;
    problems.push(
      ...checkGraphs(set),
      ...checkPins(manifest, set, pins),
      ...(await checkLog(indexDir, manifest)),
    );
    const recall = problems.length === 0 ? await measureRecall(set, options) : null;
    if (recall !== null && recall < options.minRecall) {
      const message = `recall@${options.k} at ef ${options.ef} is ${recall}, below ${options.minRecall}`;
      problems.push({ code: 'low_recall', message });
    }
    return { generation, count: manifest.count, recall, problems };
  } catch (error) {
    if (!(error instanceof NearpinError) || error.code === 'unknown_index') throw error;
    problems.push({ code: error.code, message: error.message });
    return { generation, count: manifest?.count ?? 0, recall: null, problems };
  } finally {
    await shards?.close();
    await pins?.close();
  }
}

/** Every update after the generation's seq is whole. Another process may be writing further ones. */
async function checkLog(indexDir: string, { seq }: Manifest): Promise<VerifyProblem[]> {
  const log = UpdateLog.open(indexDir, 'read');
  if (!log) return [];
  try {
    const { base, last } = log.extent();
    const damaged: number[] = [];
    for (let at = seq; at < last; ) {
      const read = log.read(at, last, LOG_READ_BYTES);
      damaged.push(...read.damaged);
      at = read.through;
    }
    return [
      ...(base > seq ? [`updates ${seq + 1} to ${base} are in neither the generation nor the log`] : []),
      ...(damaged.length > 0 ? [`updates ${damaged.join(', ')} of the log are damaged`] : []),
    ].map((message) => ({ code: 'corrupt_file', message }));
  } finally {
    await log.close();
  }
}

function checkGraphs(set: ShardSet): VerifyProblem[] {
  return set.shards.flatMap((shard, s) => {
    const finding = shard.validate();
    if (!finding) return [];
    return [
      { code: 'corrupt_file', message: `shard ${s}, ordinal ${finding.ordinal}: ${finding.invariant}` },
    ];
  });
}

/**
 * Every pin of the store lies where it says, with the attributes it says, and no shard holds another. Where one has a
 * text the manifest says that there are words (payloads of format 1 count as none).
 */
function checkPins(manifest: Manifest, set: ShardSet, pins: PinStore): VerifyProblem[] {
  const layout = rowLayout(manifest.config.attributes);
  const problems: VerifyProblem[] = [];
  let wrong = 0;
  let count = 0;
  let unsearched = 0;
  for (const [id, stored] of pins.pins()) {
    count++;
    if (!manifest.pins.words && stored.text !== undefined) unsearched++;
    const shard = set.shards[stored.shard];
    const message =
      shard === undefined || !(stored.ordinal < shard.count) || !shard.isLive(stored.ordinal)
        ? 'is in no shard'
        : shard.id(stored.ordinal) !== id
          ? `lies where ${shard.id(stored.ordinal)} is`
          : hasRow(shard, stored.ordinal, layout, stored.attributes, pins)
            ? undefined
            : 'has other attributes in its shard';
    if (message && wrong++ < LISTED) problems.push({ code: 'corrupt_file', message: `pin ${id} ${message}` });
  }
  if (wrong > LISTED)
    problems.push({ code: 'corrupt_file', message: `${wrong - LISTED} more pins like these` });
  if (unsearched > 0) {
    const message = `${unsearched} pins have a text where the manifest says that none has words, so they are not found by them`;
    problems.push({ code: 'corrupt_file', message });
  }
  if (count !== manifest.count) {
    const message = `the pin store holds ${count} pins where the manifest says ${manifest.count}`;
    problems.push({ code: 'corrupt_file', message });
  }
  return problems;
}

/** Whether the row of an ordinal is that of the attributes. */
function hasRow(
  shard: Shard,
  ordinal: number,
  layout: RowLayout,
  attributes: Parameters<typeof encodeRow>[1],
  pins: PinStore,
): boolean {
  const { row, lists } = encodeRow(layout, attributes, (name, value) => pins.keywordCode(name, value));
  const held = shard.row(ordinal);
  const isList = (at: number) =>
    at >= layout.lists.offset && at < layout.lists.offset + 4 * layout.lists.count;
  for (let at = 0; at < layout.stride; at++) {
    if (!isList(at) && held.getUint8(at) !== row[at]) return false;
  }
  return lists.every((list, l) => {
    const codes = shard.list(held.getUint32(layout.lists.offset + 4 * l, true));
    return codes.length === list.length && codes.every((code, i) => code === list[i]);
  });
}

/** Searches for stored vectors, each without its own pin, by the graph and exactly. */
async function measureRecall(set: ShardSet, options: VerifyOptions): Promise<number | null> {
  const prng = new Prng(options.seed);
  const live = set.stats().reduce((sum, stats) => sum + stats.live, 0);
  const samples = Math.min(options.samples, live);
  if (samples === 0 || live < 2) return null;
  let found = 0;
  let wanted = 0;
  for (let i = 0; i < samples; i++) {
    const shard = prng.pick(set.shards.filter((candidate) => candidate.count > 0));
    const ordinal = prng.below(shard.count);
    if (!shard.isLive(ordinal)) continue;
    const id = shard.id(ordinal);
    const search = async (exact: boolean) => {
      const query = {
        vector: shard.vector(ordinal),
        k: options.k + 1,
        ef: options.ef,
        exact,
        program: null,
        deadlineAtMs: Number.POSITIVE_INFINITY,
        withVectors: false,
        explain: false,
      };
      return nearest(await set.search(query), id, options.k);
    };
    const truth = await search(true);
    const graph = new Set(await search(false));
    wanted += truth.length;
    found += truth.filter((hit) => graph.has(hit)).length;
  }
  return wanted === 0 ? null : found / wanted;
}

/** Ids of the k nearest over all shards, without one. */
function nearest(results: readonly (ShardHits | ShardFailure)[], without: string, k: number): string[] {
  const hits = results.flatMap((result) => {
    if ('error' in result) throw fromErrorRecord(result.error);
    return result.ids.map((id, i) => ({ id, distance: result.distances[i]! }));
  });
  hits.sort((a, b) => a.distance - b.distance || (a.id < b.id ? -1 : 1));
  return hits
    .filter(({ id }) => id !== without)
    .slice(0, k)
    .map(({ id }) => id);
}
