/** The file of keys: what it may hold, how it is changed, and what a server that follows it knows. */
import assert from 'node:assert/strict';
import { chmod, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { FollowedFiles } from '../../src/cli/followed-files.ts';
import { readJsonAs } from '../../src/cli/json-file.ts';
import { addKey, parseKeys, readKeys, revokeKey } from '../../src/cli/keys-file.ts';
import type { KeyTable } from '../../src/server/auth/keys.ts';
import type { Scope } from '../../src/server/auth/principal.ts';
import { refuses, rejects } from '../lib/refuses.ts';
import { temporaryDir } from '../storage/temporary.ts';

const NOW_MS = Date.parse('2026-05-01T00:00:00Z');
const READ: readonly Scope[] = ['read'];
const RECORD = {
  id: '0123456789abcdef',
  name: 'web',
  sha256: 'ab'.repeat(32),
  scopes: ['read'],
  indexes: '*',
  created: '2026-05-01T00:00:00Z',
};

describe('the file of keys', () => {
  it('gets a key that works, and keeps nothing of its secret', async (t) => {
    const path = join(await temporaryDir(t), 'keys.json');
    const { key, record } = await addKey(path, { name: 'web', scopes: READ, indexes: ['a'] }, NOW_MS);
    const expiring = { name: 'job', scopes: READ, indexes: '*', expiresAtMs: NOW_MS + 1000 } as const;
    const { key: other } = await addKey(path, expiring, NOW_MS);
    const text = await readFile(path, 'utf8');
    for (const secret of [key, other, key.slice(20)]) assert.ok(!text.includes(secret));
    const table = parseKeys(JSON.parse(text));
    assert.deepEqual(table.authenticate(key, NOW_MS), {
      kind: 'key',
      id: 'web',
      scopes: new Set(['read']),
      indexes: new Set(['a']),
    });
    assert.equal(table.authenticate(other, NOW_MS).indexes, '*');
    refuses(() => table.authenticate(other, NOW_MS + 1000), 'unauthorized');
    assert.deepEqual((await readKeys(path))[0], record);
    assert.deepEqual([record.created, record.expires], ['2026-05-01T00:00:00.000Z', undefined]);
  });

  it('is for its owner alone, also when it was not before, and leaves nothing beside it', async (t) => {
    const dir = await temporaryDir(t);
    const path = join(dir, 'keys.json');
    await addKey(path, { name: 'a', scopes: READ, indexes: '*' }, NOW_MS);
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    await chmod(path, 0o644);
    await addKey(path, { name: 'b', scopes: READ, indexes: '*' }, NOW_MS);
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.deepEqual(await readdir(dir), ['keys.json']);
  });

  it('loses a key that is revoked, and refuses a name that is taken or not there', async (t) => {
    const path = join(await temporaryDir(t), 'keys.json');
    const { key } = await addKey(path, { name: 'a', scopes: READ, indexes: '*' }, NOW_MS);
    const { key: left } = await addKey(path, { name: 'b', scopes: READ, indexes: '*' }, NOW_MS);
    await rejects(addKey(path, { name: 'a', scopes: READ, indexes: '*' }, NOW_MS), 'bad_request', 'name');
    await revokeKey(path, 'a');
    await rejects(revokeKey(path, 'a'), 'unknown_key');
    const table = parseKeys(JSON.parse(await readFile(path, 'utf8')));
    refuses(() => table.authenticate(key, NOW_MS), 'unauthorized');
    assert.equal(table.authenticate(left, NOW_MS).id, 'b');
  });

  it('is unchanged when a change is refused', async (t) => {
    const dir = await temporaryDir(t);
    const path = join(dir, 'keys.json');
    await addKey(path, { name: 'a', scopes: READ, indexes: '*' }, NOW_MS);
    const before = await readFile(path, 'utf8');
    for (const [name, indexes] of [
      ['with a space', '*'],
      ['', '*'],
      ['b', ['../a']],
      ['b', ['*']],
    ] as const)
      await rejects(addKey(path, { name, scopes: READ, indexes }, NOW_MS), 'bad_file');
    assert.equal(await readFile(path, 'utf8'), before);
    await writeFile(path, '{');
    await rejects(addKey(path, { name: 'c', scopes: READ, indexes: '*' }, NOW_MS), 'bad_config');
    assert.deepEqual([await readFile(path, 'utf8'), await readdir(dir)], ['{', ['keys.json']]);
  });

  it('is changed by one process at a time', async (t) => {
    const path = join(await temporaryDir(t), 'keys.json');
    const adding = Array.from({ length: 8 }, (_, i) =>
      addKey(path, { name: `k${i}`, scopes: READ, indexes: '*' }, NOW_MS).then(
        () => `k${i}`,
        () => undefined,
      ),
    );
    const added = (await Promise.all(adding)).filter((name) => name !== undefined);
    assert.ok(added.length >= 1);
    assert.deepEqual((await readKeys(path)).map(({ name }) => name).sort(), added.sort());
    await writeFile(`${path}.new`, '');
    await rejects(addKey(path, { name: 'z', scopes: READ, indexes: '*' }, NOW_MS), 'io_error');
  });

  it('is refused with the path of what is wrong in it', () => {
    assert.ok(parseKeys({ version: 1, keys: [RECORD] }));
    for (const [change, path] of [
      [{ id: '0123' }, 'keys[0].id'],
      [{ name: 'a b' }, 'keys[0].name'],
      [{ sha256: 'AB'.repeat(32) }, 'keys[0].sha256'],
      [{ scopes: [] }, 'keys[0].scopes'],
      [{ scopes: ['root'] }, 'keys[0].scopes'],
      [{ scopes: 'read' }, 'keys[0].scopes'],
      [{ indexes: 'a' }, 'keys[0].indexes'],
      [{ indexes: ['a', 7] }, 'keys[0].indexes'],
      [{ indexes: undefined }, 'keys[0].indexes'],
      [{ created: 'yesterday' }, 'keys[0].created'],
      [{ expires: 'never' }, 'keys[0].expires'],
      [{ key: 'np_' }, 'keys[0].key'],
    ] as const)
      refuses(() => parseKeys({ version: 1, keys: [{ ...RECORD, ...change }] }), 'bad_file', path);
    refuses(() => parseKeys({ version: 2, keys: [] }), 'bad_file', 'version');
    refuses(() => parseKeys({ version: 1 }), 'bad_file', 'keys');
    refuses(() => parseKeys([]), 'bad_file', '');
    const twice = { version: 1, keys: [RECORD, { ...RECORD, id: 'f'.repeat(16) }] };
    refuses(() => parseKeys(twice), 'bad_file', 'keys[1].name');
    const other = { version: 1, keys: [RECORD, { ...RECORD, name: 'other' }] };
    refuses(() => parseKeys(other), 'bad_file', 'keys[1].id');
  });
});

describe('a file of keys that is followed', () => {
  async function follow(t: Parameters<typeof temporaryDir>[0]) {
    const path = join(await temporaryDir(t), 'keys.json');
    const { key } = await addKey(path, { name: 'a', scopes: READ, indexes: '*' }, NOW_MS);
    const said: string[] = [];
    const file = await FollowedFiles.open<KeyTable>([path], {
      read: () => readJsonAs(path, parseKeys),
      onChange: () => said.push('changed'),
      onProblem: ({ message }) => said.push(message),
    });
    t.after(() => file.close());
    const knows = (text: string) => {
      try {
        return file.value.authenticate(text, NOW_MS).id;
      } catch {
        return undefined;
      }
    };
    const settle = async () => {
      await file.look();
      await file.look();
    };
    return { path, key, file, said, knows, settle };
  }

  it('is in force as it is, and again when it has changed', async (t) => {
    const { path, key, knows, settle, said } = await follow(t);
    assert.equal(knows(key), 'a');
    const { key: next } = await addKey(path, { name: 'b', scopes: READ, indexes: '*' }, NOW_MS);
    assert.equal(knows(next), undefined);
    await settle();
    assert.deepEqual([knows(key), knows(next)], ['a', 'b']);
    await revokeKey(path, 'a');
    await settle();
    assert.deepEqual([knows(key), knows(next)], [undefined, 'b']);
    assert.deepEqual(said, ['changed', 'changed']);
  });

  it('is taken at once when that is asked for', async (t) => {
    const { path, key, file, knows } = await follow(t);
    await revokeKey(path, 'a');
    await file.look(true);
    assert.equal(knows(key), undefined);
  });

  it('that is broken or gone leaves in force what was, and says so once', async (t) => {
    const { path, key, file, knows, settle, said } = await follow(t);
    const good = await readFile(path);
    for (const text of ['{"version": 1, "keys": [', '{"version": 1, "keys": [{}]}', '[]']) {
      said.length = 0;
      await writeFile(path, text);
      await settle();
      await settle();
      assert.equal(knows(key), 'a');
      assert.equal(said.length, 1, text);
      assert.ok(said[0]!.includes(path), said[0]);
    }
    said.length = 0;
    await rename(path, `${path}.away`);
    await settle();
    assert.deepEqual([knows(key), said.length], ['a', 1]);
    await file.look(true);
    assert.equal(knows(key), 'a');
    await rm(`${path}.away`);
    await writeFile(path, good);
    await settle();
    assert.equal(said.at(-1), 'changed');
  });

  it('must be good at the start', async (t) => {
    const path = join(await temporaryDir(t), 'keys.json');
    const open = () =>
      FollowedFiles.open([path], {
        read: () => readJsonAs(path, parseKeys),
        onChange: () => {},
        onProblem: () => {},
      });
    await rejects(open(), 'io_error');
    await writeFile(path, '{');
    await rejects(open(), 'bad_config');
    await writeFile(path, '{"version": 1, "keys": [{}]}');
    await rejects(open(), 'bad_file', 'keys[0].id');
  });
});
