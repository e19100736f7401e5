/**
 * Writes update logs or pin stores, with records of several sizes; then lets no file grow beyond what it has, in this
 * process, and goes on writing. Prints how many writes were taken before and after, and what the others were refused with.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createPinStore } from '../../src/storage/pin-store.ts';
import { UpdateLog } from '../../src/storage/update-log.ts';

export interface FullReport {
  readonly bytes: number;
  readonly before: number;
  readonly codes: readonly string[];
}

const [dir, of] = process.argv.slice(2) as [string, 'log' | 'pin store' | 'pin store in order'];
const ROUNDS = 30;
const BATCH = 5;

function letGrowTo(bytes: number | 'unlimited'): void {
  const { status } = spawnSync('prlimit', ['--pid', String(process.pid), `--fsize=${bytes}:unlimited`]);
  if (status !== 0) throw new Error('prlimit failed');
}

/** Something that writes round after round to a file. */
async function startIn(path: string, bytes: number) {
  if (of === 'log') {
    const log = UpdateLog.open(path, 'write');
    const write = (round: number) =>
      log.append(
        Array.from({ length: BATCH }, (_, i) => ({
          seq: round * BATCH + i + 1,
          bytes: Buffer.alloc(bytes, round),
        })),
      );
    return { file: join(log.dir, 'data.mdb'), write, end: () => log.close() };
  }
  const pins = await createPinStore(path);
  const idsOf = (round: number) => Array.from({ length: BATCH }, (_, i) => String(1e6 + round * BATCH + i));
  const write =
    of === 'pin store'
      ? (round: number) => {
          const stored = {
            shard: 0,
            ordinal: 0,
            seq: 1,
            attributes: {},
            payload: 'x'.repeat(bytes),
            text: undefined,
          };
          for (const id of idsOf(round)) pins.put(id, stored);
          pins.renumber([Uint32Array.of(0)]);
        }
      : (round: number) => pins.putInOrder(idsOf(round).map((id) => [id, Buffer.alloc(bytes)]));
  return { file: join(path, '.scratch', 'data.mdb'), write, end: () => pins.abandon() };
}

const reports: FullReport[] = [];
for (const bytes of [300, 5000, 40_000]) {
  const path = join(dir, String(bytes));
  mkdirSync(path, { recursive: true });
  const { file, write, end } = await startIn(path, bytes);
  let before = 0;
  const codes = new Set<string>();
  for (let round = 0; round < 2 * ROUNDS; round++) {
    if (round === ROUNDS) letGrowTo(statSync(file).size);
    try {
      write(round);
      if (round < ROUNDS) before++;
    } catch (error) {
      codes.add((error as { code: string }).code);
    }
  }
  letGrowTo('unlimited');
  await end();
  reports.push({ bytes, before, codes: [...codes] });
}
process.stdout.write(JSON.stringify(reports));
