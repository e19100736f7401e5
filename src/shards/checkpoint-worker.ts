/**
 * The thread of a checkpoint. It copies the shards' memories while their writers rest, which takes as long as copying
 * memory does; then, while they go on, it writes the copies as segments, and the pin store from the one before and the
 * updates since. A copy whose codes do not fit its pins is made anew before. What a step leaves is collected before the
 * next, and all of it at the end.
 *
 * The thread goes on to the next checkpoint. lmdb gives each thread a buffer of 16 MiB, and to the C library the end of a
 * thread that had one is a buffer of that size freed: from then on it puts buffers up to that size into its arenas, where
 * they leave gaps, and keeps twice as much at the end of each (mallopt(3), M_MMAP_THRESHOLD).
 */
import { join } from 'node:path';
import { workerData } from 'node:worker_threads';
import { copyShard, Shard, shardStats } from '../core/shard.ts';
import type { WasmMemory, WasmModule } from '../core/webassembly.ts';
import { shardOf } from '../index/shard-of.ts';
import { wordsOf } from '../index/words.ts';
import { NearpinError } from '../lib/errors.ts';
import { failpoint } from '../lib/failpoints.ts';
import { compareUtf8 } from '../lib/utf8-order.ts';
import { createPinStore, type KeywordEntry, openPinStore, type PinStore } from '../storage/pin-store.ts';
import { encodeStoredPin, type StoredPin } from '../storage/stored-pin.ts';
import { UpdateLog } from '../storage/update-log.ts';
import { decodeUpdate, isWhole } from '../storage/update-record.ts';
import type { CheckpointCall, CheckpointResult, WriteCall } from './checkpoint.ts';
import { collectGarbage, collectUntilGone } from './collect-garbage.ts';
import { renewShard } from './renew-shard.ts';
import { saveShard } from './shard-file.ts';
import { serveCalls } from './thread.ts';

/** What the updates have made of a pin; null when it is deleted. */
type Changed = Omit<StoredPin, 'shard' | 'ordinal'> | null;

const { module } = workerData as { module: WasmModule };
let copies: WasmMemory[] = [];
/** What the memories of this checkpoint hold, to be gone after it. */
let taken: WeakRef<SharedArrayBuffer>[] = [];

serveCalls<CheckpointCall>(async (call) => {
  switch (call.do) {
    case 'start':
      return {};
    case 'copy':
      try {
        for (const memory of call.memories) copies.push(take(copyShard(memory)));
        return {};
      } catch (error) {
        await letGo();
        throw error;
      }
    case 'write':
      try {
        return { value: await write(call) };
      } finally {
        await letGo();
      }
  }
});

function take(memory: WasmMemory): WasmMemory {
  taken.push(new WeakRef(memory.buffer));
  return memory;
}

/** By the time that the call is answered the memories are gone. */
function letGo(): Promise<void> {
  const gone = taken;
  copies = [];
  taken = [];
  return collectUntilGone(gone);
}

async function write(call: WriteCall): Promise<CheckpointResult> {
  const shards = copies.map((memory) => new Shard(module, memory, 0));
  for (const [s, shard] of shards.entries()) {
    const finding = shard.validate();
    if (!finding) continue;
    throw new NearpinError('internal', `shard ${s}, ordinal ${finding.ordinal}: ${finding.invariant}`);
  }
  const renewed = new Set<number>();
  const { config, shards: before } = call.base;
  for (const [s, { memory }] of call.renewBytes === null ? [] : shards.entries()) {
    const anew = renewShard(module, memory, config, before[s]!.count, call.renewBytes!);
    if (!anew) continue;
    shards[s] = new Shard(module, take(anew), 0);
    renewed.add(s);
  }
  await collectGarbage();
  const entries = shards.map(({ memory }, s) => {
    const file = `shard-${String(s).padStart(3, '0')}.seg`;
    return { file, ...saveShard(join(call.staging, file), memory, module), count: shardStats(memory).live };
  });
  failpoint('segment.written');
  const store = await openPinStore(join(call.baseDir, call.base.pins.dir), call.base.pins);
  try {
    const dir = 'pins';
    const pins = await writePins(join(call.staging, dir), call, store, shards, renewed);
    failpoint('pin-store.written');
    const inShards = entries.reduce((sum, { count }) => sum + count, 0);
    if (pins.count !== inShards) {
      throw new NearpinError(
        'internal',
        `the log speaks of ${pins.count} pins where the shards hold ${inShards}`,
      );
    }
    return { files: { shards: entries, pins: { dir, ...pins } }, isRenewed: renewed.size > 0 };
  } finally {
    await store.close();
  }
}

interface Place {
  readonly id: string;
  readonly shard: number;
  readonly ordinal: number;
}

/** Where the pins lie whose ids are wanted, in the order of a pin store. */
function placesOf(shards: readonly Shard[], isWanted: (id: string) => boolean): Place[] {
  const places: Place[] = [];
  for (const [s, shard] of shards.entries()) {
    for (let ordinal = 0; ordinal < shard.count; ordinal++) {
      if (!shard.isLive(ordinal)) continue;
      const id = shard.id(ordinal);
      if (isWanted(id)) places.push({ id, shard: s, ordinal });
    }
  }
  return places.sort((a, b) => compareUtf8(a.id, b.id));
}

/** @param renewed shards whose pins lie elsewhere than before, changed or not */
async function writePins(
  dir: string,
  call: WriteCall,
  before: PinStore,
  shards: readonly Shard[],
  renewed: ReadonlySet<number>,
) {
  const changed = await changesSince(call, before);
  const hasWords =
    call.base.pins.words === true ||
    [...changed.values()].some((pin) => pin && wordsOf(pin.text, pin.payload) !== '');
  await collectGarbage();
  const stays = (id: string) => !changed.has(id) && !renewed.has(shardOf(id, shards.length));
  const places = placesOf(shards, (id) => !stays(id));
  const pins = await createPinStore(dir);
  try {
    pins.putInOrder(merged(before, stays, places, (id) => changed.get(id) ?? before.get(id)));
    const seal = await pins.finish(keywords(before, call.keywords));
    return hasWords ? { ...seal, words: true as const } : seal;
  } catch (error) {
    await pins.abandon();
    throw error;
  }
}

/** The pins that stay as they were, and among them, where they belong in a pin store, those at `places`. */
function* merged(
  before: PinStore,
  stays: (id: string) => boolean,
  places: readonly Place[],
  contentOf: (id: string) => Omit<StoredPin, 'shard' | 'ordinal'> | undefined,
): Generator<[id: string, bytes: Buffer]> {
  let next = 0;
  function* placesBefore(end?: string): Generator<[id: string, bytes: Buffer]> {
    for (; next < places.length; next++) {
      const { id, shard, ordinal } = places[next]!;
      if (end !== undefined && compareUtf8(id, end) > 0) return;
      const content = contentOf(id);
      if (content) yield [id, encodeStoredPin({ ...content, shard, ordinal })];
    }
  }
  for (const [id, bytes] of before.entries()) {
    if (!stays(id)) continue;
    yield* placesBefore(id);
    yield [id, bytes];
  }
  yield* placesBefore();
}

function* keywords(before: PinStore, more: readonly KeywordEntry[]): Generator<KeywordEntry> {
  yield* before.keywords();
  yield* more;
}

/** Every pin that updates after the base generation have changed, as they leave it. */
async function changesSince(call: WriteCall, before: PinStore): Promise<Map<string, Changed>> {
  const changed = new Map<string, Changed>();
  const log = UpdateLog.open(call.indexDir, 'join');
  try {
    for (const { seq, bytes } of log.updates(call.base.seq, call.seq)) {
      if (!isWhole(bytes)) continue;
      for (const operation of decodeUpdate(bytes, false).operations) {
        const { id } = operation;
        if (operation.kind === 'delete') {
          changed.set(id, null);
        } else if (operation.kind === 'upsert') {
          const { attributes, payload, text } = operation;
          changed.set(id, { seq, attributes, payload, text: text ?? undefined });
        } else {
          const was = changed.has(id) ? changed.get(id) : before.get(id);
          if (!was) continue;
          const attributes = operation.attributes ?? was.attributes;
          const payload = operation.payload === undefined ? was.payload : operation.payload;
          changed.set(id, { seq, attributes, payload, text: was.text });
        }
      }
    }
  } finally {
    await log.close();
  }
  return changed;
}
