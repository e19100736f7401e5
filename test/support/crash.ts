/**
 * Kills a process that writes to an index, again and again, and looks at what is left: every acknowledged write is
 * there, each write is there whole or not at all, the graphs are valid, and every pin finds itself.
 *
 * The same seed gives the same writes, failpoints and delays; what the operating system makes of the delays is its own.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createIndex } from '../../src/build/create-index.ts';
import type { PinWrite } from '../../src/engines/engine.ts';
import type { EngineHost } from '../../src/engines/engine-host.ts';
import { resolveConfig } from '../../src/index/config.ts';
import type { Pin } from '../../src/index/pin.ts';
import { FAILPOINTS } from '../../src/lib/failpoints.ts';
import { Prng } from '../../src/lib/prng.ts';
import { CORE } from './built-index.ts';
import { openEngine } from './open-engine.ts';

const DIM = 8;
const IDS = 300;
/** Of so few pins a graph that is whole misses next to nothing. */
const RECALL_MIN = 0.99;
export const CONFIG = resolveConfig({
  dim: DIM,
  metric: 'l2',
  shards: 2,
  attributes: { write: 'number', marks: 'keyword[]' },
  m: 8,
  efConstruction: 64,
  precision: 'i8+f32',
});

export interface ChildOptions {
  readonly indexDir: string;
  readonly seed: number;
  /** Number of its first write. */
  readonly firstWrite: number;
  readonly ids: number;
}

export interface SentWrite {
  readonly write: number;
  readonly kind: 'upsert' | 'change' | 'delete';
  readonly ids: readonly string[];
}

function vectorOf(id: string, write: number): Float32Array {
  const prng = new Prng(write * 1000 + Number(id.slice(1)));
  return Float32Array.from({ length: DIM }, () => Math.fround(prng.normal()));
}

/** What a write makes of a pin; a change leaves the vector, of which the payload then says nothing. */
export function pinOf(id: string, write: number, isWhole: boolean): PinWrite {
  const parts = { id, attributes: { write, marks: [`m${write % 7}`, 'all'] }, payload: { write } };
  return isWhole ? { ...parts, vector: vectorOf(id, write) } : parts;
}

interface Told {
  readonly sent: SentWrite[];
  /** Sequence number by write. */
  readonly acked: Map<number, number>;
  readonly refused: Map<number, string>;
}

export interface KillReport {
  readonly how: string;
  readonly acked: number;
  readonly sent: number;
}

export class CrashRun {
  readonly #indexDir: string;
  readonly #host: EngineHost;
  readonly #seed: number;
  /** What each pin was when it was last looked at; undefined where there was none. */
  #before = new Map<string, Pin>();
  #nextWrite = 1;
  #kills = 0;

  constructor(dir: string, host: EngineHost, seed: number) {
    this.#indexDir = join(dir, 'index');
    this.#host = host;
    this.#seed = seed;
  }

  async start(): Promise<void> {
    await createIndex(this.#indexDir, CONFIG, null, CORE);
  }

  /** Starts a writing process, kills it at a moment that follows from the seed, and checks what is left. */
  async kill(): Promise<KillReport> {
    const number = this.#kills++;
    const prng = new Prng(this.#seed * 100_003 + number);
    const at = number % 3 === 0 ? undefined : FAILPOINTS[Math.floor((number * 2) / 3) % FAILPOINTS.length]!;
    // Moments that come with each write, and those that come with each checkpoint
    const nth = 1 + prng.below(at?.startsWith('log.') || at?.startsWith('write.') ? 20 : 2);
    const delayMs = prng.below(500);
    const how = at ? `at ${at} number ${nth}` : `after ${delayMs} ms`;
    const told = await this.#runChild(number, at && `${at}:${nth}`, delayMs);
    try {
      await this.#check(told);
    } catch (error) {
      throw new Error(`seed ${this.#seed}, kill ${number} ${how}: ${(error as Error).message}`, {
        cause: error,
      });
    }
    return { how, acked: told.acked.size, sent: told.sent.length };
  }

  async #runChild(number: number, failpoint: string | undefined, delayMs: number): Promise<Told> {
    const options: ChildOptions = {
      indexDir: this.#indexDir,
      seed: this.#seed + number,
      firstWrite: this.#nextWrite,
      ids: IDS,
    };
    const child = spawn(
      process.execPath,
      [
        `--import=${new URL('./arm-failpoint.js', import.meta.url).href}`,
        new URL('./live-child.js', import.meta.url).pathname,
        JSON.stringify(options),
      ],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...process.env, ...(failpoint && { NEARPIN_TEST_FAILPOINT: failpoint }) },
      },
    );
    const told: Told = { sent: [], acked: new Map(), refused: new Map() };
    let complaint = '';
    child.stderr.on('data', (chunk: Buffer) => {
      complaint += chunk.toString();
    });
    const kill = () => child.kill('SIGKILL');
    // One that never comes to its failpoint is killed all the same
    let timer = setTimeout(kill, failpoint ? 15_000 : 60_000);
    for await (const line of createInterface({ input: child.stdout })) {
      let said: {
        ready?: true;
        sent?: SentWrite;
        acked?: { write: number; seq: number };
        refused?: { write: number; code: string; message: string };
      };
      try {
        said = JSON.parse(line);
      } catch {
        // The line that it was killed in
        continue;
      }
      if (said.ready) {
        clearTimeout(timer);
        timer = setTimeout(kill, failpoint ? 3000 : delayMs);
      }
      if (said.sent) told.sent.push(said.sent);
      if (said.acked) told.acked.set(said.acked.write, said.acked.seq);
      if (said.refused) {
        const { write, code, message } = said.refused;
        if (code !== 'unknown_pin' && code !== 'too_many_writes')
          throw new Error(`write ${write} was refused: ${message}`);
        told.refused.set(write, code);
      }
    }
    clearTimeout(timer);
    const signal =
      child.signalCode ?? (await new Promise((resolve) => child.once('exit', (_code, by) => resolve(by))));
    if (signal !== 'SIGKILL')
      throw new Error(`seed ${this.#seed}, kill ${number}: the process ended by itself: ${complaint}`);
    this.#nextWrite = Math.max(this.#nextWrite, ...told.sent.map(({ write }) => write + 1));
    return told;
  }

  async #check({ sent, acked, refused }: Told): Promise<void> {
    const { live, engine } = await openEngine(this.#indexDir, this.#host);
    try {
      assert.deepEqual(live.describeLive().warnings, []);
      assert.equal(live.describeLive().readOnly, null);
      const lastSeq = Math.max(0, ...acked.values());
      assert.ok(engine.describe().seq >= lastSeq, `seq ${engine.describe().seq} of ${lastSeq}`);
      const ids = Array.from({ length: IDS }, (_, n) => `p${n}`);
      const found = await engine.pins(ids, { attributes: true, payload: true, vector: true });
      const now = new Map<string, Pin>();
      for (const pin of found) if (pin) now.set(pin.id, pin);
      assert.equal(engine.describe().count, now.size);
      const writes = new Map(sent.map((each) => [each.write, each]));

      for (const id of ids) {
        const pin = now.get(id);
        const touching = sent.filter((each) => each.ids.includes(id) && !refused.has(each.write));
        const last = touching
          .filter(({ write }) => acked.has(write))
          .sort((a, b) => acked.get(a.write)! - acked.get(b.write)!)
          .at(-1);
        const open = touching.filter(({ write }) => !acked.has(write));
        if (pin) this.#checkWhole(pin, writes);
        const of = (pin?.payload as { write: number } | undefined)?.write;
        const isOfOpen = open.some(({ write, kind }) => (pin ? write === of : kind === 'delete'));
        if (isOfOpen) continue;
        if (!last) {
          assert.deepEqual(pin?.payload, this.#before.get(id)?.payload, `${id}, which no write touched`);
        } else if (last.kind === 'delete') {
          assert.equal(pin, undefined, `${id}, deleted by write ${last.write}`);
        } else {
          assert.equal(of, last.write, `${id}, last written by ${last.write}`);
        }
      }
      this.#checkAtomic(sent, acked, now);
      for (const shard of live.loaded.shards.shards) assert.equal(shard.validate(), undefined);
      await this.#checkSearch(engine, now);
      this.#before = now;
    } finally {
      await engine.close();
    }
  }

  /** All parts of a pin are of one write, and its vector of one that wrote it whole. */
  #checkWhole(pin: Pin, writes: ReadonlyMap<number, SentWrite>): void {
    const { write } = pin.payload as { write: number };
    assert.deepEqual(pin.attributes, pinOf(pin.id, write, false).attributes, `${pin.id} is torn`);
    const before = this.#before.get(pin.id)?.vector;
    const candidates = [...writes.values()].filter(
      ({ kind, ids }) => kind === 'upsert' && ids.includes(pin.id),
    );
    const vectors = [...candidates.map((each) => vectorOf(pin.id, each.write)), ...(before ? [before] : [])];
    const isKnown = vectors.some((vector) => vector.every((x, i) => x === pin.vector![i]));
    assert.ok(isKnown, `${pin.id} has a vector of no write`);
    if (writes.get(write)?.kind === 'upsert')
      assert.deepEqual(pin.vector, vectorOf(pin.id, write), `${pin.id} is torn`);
  }

  /** A write that left something is there whole: its other pins are of it, or of later writes. */
  #checkAtomic(
    sent: readonly SentWrite[],
    acked: ReadonlyMap<number, number>,
    now: ReadonlyMap<string, Pin>,
  ): void {
    for (const { write, kind, ids } of sent) {
      if (acked.has(write) || kind === 'delete') continue;
      const seqs = ids.flatMap((id) => {
        const pin = now.get(id);
        return (pin?.payload as { write: number } | undefined)?.write === write ? [pin!.seq] : [];
      });
      if (seqs.length === 0) continue;
      for (const id of ids) {
        const pin = now.get(id);
        const isLater = pin
          ? pin.seq >= seqs[0]!
          : sent.some((each) => each.kind === 'delete' && each.ids.includes(id));
        assert.ok(isLater, `write ${write} is there in part: not in ${id}`);
      }
    }
  }

  async #checkSearch(
    engine: Awaited<ReturnType<typeof openEngine>>['engine'],
    now: ReadonlyMap<string, Pin>,
  ) {
    const all = await engine.search({ vector: new Float32Array(DIM), k: IDS + 1, exact: true });
    assert.deepEqual(all.hits.map(({ id }) => id).sort(), [...now.keys()].sort());
    let near = 0;
    let found = 0;
    await Promise.all(
      [...now.values()].map(async ({ id, vector, attributes }) => {
        const filter = { write: attributes!.write as number };
        const [plain, filtered, exact] = await Promise.all([
          engine.search({ vector: vector!, k: 10 }),
          engine.search({ vector: vector!, k: 1, filter }),
          engine.search({ vector: vector!, k: 10, exact: true }),
        ]);
        assert.equal(plain.hits[0]?.id, id, 'a pin does not find itself');
        assert.equal(filtered.hits[0]?.id, id, 'a pin does not find itself by its attributes');
        const ids = new Set(plain.hits.map((hit) => hit.id));
        near += exact.hits.length;
        found += exact.hits.filter((hit) => ids.has(hit.id)).length;
      }),
    );
    assert.ok(found >= near * RECALL_MIN, `recall ${found} of ${near}`);
  }
}
