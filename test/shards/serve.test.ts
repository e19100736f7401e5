import assert from 'node:assert/strict';
import test from 'node:test';
import { wasm } from '../../src/core/webassembly.ts';
import { AskingSide, deskBuffer } from '../../src/shards/desk.ts';
import { serveSearches } from '../../src/shards/serve.ts';
import { readCoreBinary } from '../../src/storage/core-binary.ts';

test('a result goes out before the thread stays at its desk, though it has read both at once', async () => {
  const buffer = deskBuffer();
  const asking = new AskingSide(buffer);
  asking.open();
  const handle = serveSearches(
    {
      module: new wasm.Module(readCoreBinary()),
      slots: new Int32Array(new SharedArrayBuffer(4)),
      clockOffsetMs: 0,
      desks: [buffer],
      searchNs: new BigInt64Array(new SharedArrayBuffer(8)),
      firstSlot: 1,
      isBackground: false,
    },
    () => assert.fail('nothing is searched'),
  );
  const log: (string | boolean)[] = [];
  // As Piscina does with what it reads at once
  const run = async (name: string, task: Parameters<typeof handle>[0]) => {
    await null;
    await handle(task);
    log.push(name, asking.isOpen);
  };
  await Promise.all([
    run('a search of a set that is not known', { set: '7', queries: new ArrayBuffer(8) }),
    run('the stay', { attend: true }),
  ]);
  assert.deepEqual(log, ['a search of a set that is not known', true, 'the stay', false]);
});
