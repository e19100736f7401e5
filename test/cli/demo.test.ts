/** `nearpin demo`, which is what a newcomer starts: it makes an index, serves it, and keeps what is there. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { createClient } from '../../src/client/client.ts';
import { temporaryDir } from '../storage/temporary.ts';
import { startServer } from '../support/program.ts';

test('the demo is made once, served again as it is, and says what to do where it is damaged', async (t) => {
  const indexes = await temporaryDir(t);
  const demo = () => startServer(t, ['--indexes', indexes, '--workers', '1', '--pins', '300'], {}, 'demo');

  const first = await demo();
  await first.said(/Ctrl-C ends it\./);
  await first.said(/demo: 300 pins/);
  assert.ok(existsSync(join(indexes, 'demo-pins.jsonl')));
  assert.ok(first.stderr().includes(`Open ${first.url}/ in a browser`));
  const client = createClient({ url: first.url });
  const { hits } = await client.search('demo', { text: 'emerald velvet sofa', k: 3 });
  assert.equal(hits.length, 3);
  await client.delete('demo', { ids: [hits[0]!.id] });
  assert.equal(await first.stop('SIGINT'), 0);

  const second = await demo();
  await second.said(/Ctrl-C ends it\./);
  await second.said(/demo: 299 pins/);
  assert.doesNotMatch(second.stderr(), /building/);
  assert.equal(await second.stop(), 0);

  const index = join(indexes, 'demo');
  const [segment] = readdirSync(index, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /\.seg$/.test(name),
  );
  const bytes = readFileSync(join(index, segment!));
  bytes[bytes.length >> 1]! ^= 1;
  writeFileSync(join(index, segment!), bytes);
  const damaged = await demo();
  await damaged.said(/Ctrl-C ends this one\./);
  await damaged.said(/demo: not served: /);
  assert.ok(damaged.stderr().includes(`Remove ${index} with all`));
  assert.doesNotMatch(damaged.stderr(), /Open /);
  assert.equal(await damaged.stop(), 0);

  rmSync(index, { recursive: true });
  const anew = await demo();
  await anew.said(/Ctrl-C ends it\./);
  await anew.said(/demo: 300 pins/);
  assert.equal(await anew.stop(), 0);
});
