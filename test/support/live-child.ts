/**
 * Writes to a live index from several clients at once until it is killed. Says on standard output, before each write,
 * what it will write, and after it that it was acknowledged; and when it has opened the index.
 *
 * Everything that a write puts into a pin follows from the number of the write: a pin is torn when its parts speak of
 * different writes.
 */
import assert from 'node:assert/strict';
import { writeSync } from 'node:fs';
import { createEngineHost } from '../../src/engines/engine-host.ts';
import { Prng } from '../../src/lib/prng.ts';
import { type ChildOptions, CONFIG, pinOf, type SentWrite } from './crash.ts';
import { openEngine } from './open-engine.ts';

const { indexDir, seed, firstWrite, ids } = JSON.parse(process.argv[2]!) as ChildOptions;
/** Whole lines: a pipe takes so few bytes at once or none, and none while the other end is slow. */
function say(line: object): void {
  for (;;) {
    try {
      writeSync(1, `${JSON.stringify(line)}\n`);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
    }
  }
}
const prng = new Prng(seed);
const host = createEngineHost('wasm', 1);
const { live } = await openEngine(indexDir, host, { checkpointBytes: 30_000 });
say({ ready: true });

let next = firstWrite;
const CLIENTS = 4;

async function client(): Promise<void> {
  for (;;) {
    const write = next++;
    const kind = prng.pick(['upsert', 'upsert', 'upsert', 'change', 'delete'] as const);
    const touched = [...new Set(Array.from({ length: 1 + prng.below(6) }, () => `p${prng.below(ids)}`))];
    const sent: SentWrite = { write, kind, ids: touched };
    say({ sent });
    try {
      const { seq } =
        kind === 'delete'
          ? await live.delete(touched.map((id) => ({ id })))
          : await live.upsert(
              touched.map((id) => pinOf(id, write, kind === 'upsert')),
              CONFIG,
            );
      say({ acked: { write, seq } });
    } catch (error) {
      const { code, message } = error as { code?: string; message: string };
      say({ refused: { write, code, message } });
    }
  }
}

/** Checkpoints and swaps, one after the other. */
async function operator(): Promise<void> {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, prng.below(60)));
    if (prng.below(3) > 0) {
      await live.checkpoint();
    } else {
      const known = (await live.generations()).filter(({ canPublish }) => canPublish);
      // A checkpoint may have removed it meanwhile
      const gone = (error: { code: string }) =>
        assert.match(error.code, /^(unknown_generation|log_trimmed|missing_file)$/, String(error));
      await live.publish(prng.pick(known).generation).then(() => {}, gone);
    }
  }
}

await Promise.all([...Array.from({ length: CLIENTS }, client), operator()]);
