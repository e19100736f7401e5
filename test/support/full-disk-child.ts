/**
 * Writes to an index until the disk refuses, in a process whose files may not grow beyond a limit; then asks for what it
 * has written. Prints one line: what became of it.
 */
import { createEngineHost } from '../../src/engines/engine-host.ts';
import { CONFIG, pinOf } from './crash.ts';
import { openEngine } from './open-engine.ts';

const host = createEngineHost('wasm', 1);
const { live, engine } = await openEngine(process.argv[2]!, host);
let acked = 0;
let refusal: { code?: string } | undefined;
for (let write = 1; write < 5000 && !refusal; write++) {
  try {
    await live.upsert(
      [{ ...pinOf(`p${write}`, write, true), payload: { write, filler: 'x'.repeat(5000) } }],
      CONFIG,
    );
    acked = write;
  } catch (error) {
    refusal = error as { code?: string };
  }
}
const refusedId = `p${acked + 1}`;
const [kept, refused] = await engine.pins([`p${acked}`, refusedId], { vector: true });
const { hits } = await engine.search({
  vector: pinOf(refusedId, acked + 1, true).vector!,
  k: 10,
  exact: true,
});
const { count } = engine.describe();
const again = await live.upsert([pinOf('p9999', 7, true)], CONFIG).then(
  () => 'taken',
  ({ code }: { code: string }) => code,
);
process.stdout.write(
  JSON.stringify({
    code: refusal?.code,
    acked,
    count,
    isKept: kept !== undefined,
    isRefusedSeen: refused !== undefined || hits.some(({ id }) => id === refusedId),
    hits: hits.length,
    again,
  }),
);
await engine.close();
await host.close();
