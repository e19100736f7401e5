/** The lock of an index: one live process has it, and the dead hold nothing. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { lockIndex } from '../../src/storage/index-lock.ts';

test('the lock of an index is one process’s, until it gives it back or dies', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'nearpin-lock-'));
  try {
    const unlock = lockIndex(dir);
    assert.throws(() => lockIndex(dir), { code: 'index_locked' });
    const module = new URL('../../src/storage/index-lock.js', import.meta.url).href;
    const other = (code: string) =>
      spawnSync(
        process.execPath,
        ['--input-type=module', '-e', `import { lockIndex } from '${module}'; ${code}`],
        {
          encoding: 'utf8',
        },
      );
    const lock = `lockIndex(${JSON.stringify(dir)})`;
    const refused = other(`try { ${lock} } catch (error) { console.log(error.code, error.message) }`);
    assert.match(refused.stdout, new RegExp(`^index_locked process ${process.pid} writes`));
    unlock();
    unlock();
    assert.deepEqual(await readdir(dir), []);
    // One that dies with it
    other(`${lock}; process.kill(process.pid, 'SIGKILL')`);
    assert.deepEqual(await readdir(dir), ['WRITER']);
    lockIndex(dir)();
    // Another process got the id since
    await writeFile(join(dir, 'WRITER'), `${process.ppid} 1\n`);
    lockIndex(dir)();
    await writeFile(join(dir, 'WRITER'), 'nonsense');
    lockIndex(dir)();
    assert.deepEqual(await readdir(dir), []);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});
