/** Keys as those who run a server meet them: made, listed and revoked on the command line, asked for over HTTP. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { createClient } from '../../src/client/client.ts';
import { temporaryDir } from '../storage/temporary.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

function run(args: readonly string[], env: Record<string, string> = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
    timeout: 60_000,
  });
  return { status, stdout: stdout.trim(), stderr };
}

/** A server of no indexes; resolves when it is ready, and ends with the test. */
async function serve(t: TestContext, dir: string, args: readonly string[]) {
  await mkdir(join(dir, 'indexes'), { recursive: true });
  const all = [
    'serve',
    '--indexes',
    join(dir, 'indexes'),
    '--port',
    '0',
    '--workers',
    '1',
    '--json',
    ...args,
  ];
  const child = spawn(process.execPath, [MAIN, ...all], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk;
  });
  t.after(() => stop(child));
  const [line] = (await Promise.race([
    once(createInterface({ input: child.stdout }), 'line'),
    once(child, 'exit').then(() => Promise.reject(new Error(stderr))),
  ])) as [string];
  const { url, adminUrl } = JSON.parse(line) as { url: string; adminUrl?: string };
  return { child, url, adminUrl, stderr: () => stderr };
}

async function stop(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null) return child.exitCode;
  const exit = once(child, 'exit');
  child.kill('SIGTERM');
  return ((await exit) as [number | null])[0];
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 500; i++) {
    if (await isSo()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.fail('it did not come');
}

/** What becomes of listing the indexes with a key. */
async function statusOf(url: string, key?: string): Promise<number> {
  const headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
  const response = await fetch(`${url}/v1/indexes`, { headers });
  await response.arrayBuffer();
  return response.status;
}

describe('nearpin keys', () => {
  it('makes, lists and revokes keys; the key itself is printed once and kept nowhere', async (t) => {
    const file = join(await temporaryDir(t), 'keys.json');
    const made = run(['keys', 'add', 'web', '--keys-file', file]);
    assert.equal(made.status, 0, made.stderr);
    assert.match(made.stdout, /^np_[0-9a-f]{16}_[\w-]{43}$/);
    assert.ok(!made.stderr.includes(made.stdout));
    const job = run([
      'keys',
      'add',
      'job',
      '--scopes',
      'read,write',
      '--only',
      'pins,live',
      '--days',
      '30',
      '--json',
      '--keys-file',
      file,
    ]);
    const { key, name, scopes, indexes, expires } = JSON.parse(job.stdout);
    assert.match(key, /^np_/);
    assert.deepEqual([name, scopes, indexes], ['job', ['read', 'write'], ['pins', 'live']]);
    assert.ok(Date.parse(expires) > Date.now() + 29 * 86_400_000);
    assert.equal((await stat(file)).mode & 0o777, 0o600);

    const listed = run(['keys', 'list'], { NEARPIN_KEYS_FILE: file });
    assert.match(listed.stdout, /web .*read .*all .*never/);
    assert.match(listed.stdout, /job .*read,write .*pins,live/);
    const records = JSON.parse(run(['keys', 'list', '--json', '--keys-file', file]).stdout).keys;
    assert.equal(records.length, 2);
    const text = `${listed.stdout} ${JSON.stringify(records)} ${await readFile(file, 'utf8')}`;
    for (const secret of [made.stdout, key]) assert.ok(!text.includes(secret.slice(20)));
    assert.ok(!JSON.stringify(records).includes('sha256'));

    assert.equal(run(['keys', 'revoke', 'web', '--keys-file', file]).status, 0);
    const again = run(['keys', 'revoke', 'web', '--json', '--keys-file', file]);
    assert.deepEqual([again.status, JSON.parse(again.stdout).error.code], [1, 'unknown_key']);
    assert.equal(run(['keys', 'add', 'job', '--keys-file', file]).status, 1, 'the name is taken');
  });

  it('is told apart from wrong usage', async (t) => {
    const file = join(await temporaryDir(t), 'keys.json');
    for (const args of [
      ['keys'],
      ['keys', 'add'],
      ['keys', 'add', 'web'],
      ['keys', 'add', 'web', '--keys-file', file, '--scopes', 'root'],
      ['keys', 'add', 'web', '--keys-file', file, '--days', '0'],
      ['keys', 'forget', 'web', '--keys-file', file],
    ])
      assert.equal(run(args).status, 2, args.join(' '));
    assert.equal(run(['keys', 'list', '--keys-file', file]).status, 1, 'there is no such file');
  });
});

describe('nearpin serve with keys', () => {
  it('does not start where others can reach it and nothing says who may', async (t) => {
    const dir = await temporaryDir(t);
    await mkdir(join(dir, 'indexes'));
    for (const args of [
      ['--host', '0.0.0.0'],
      ['--host', '::'],
      ['--admin-port', '0', '--admin-host', '0.0.0.0'],
    ]) {
      const all = ['serve', '--indexes', join(dir, 'indexes'), '--port', '0', '--json', ...args];
      const { status, stdout, stderr } = run(all);
      assert.deepEqual([status, JSON.parse(stdout).error.code], [1, 'auth_required'], args.join(' '));
      assert.match(stderr, /--keys-file/);
    }
    const broken = join(dir, 'keys.json');
    await writeFile(broken, '{"version": 1, "keys": [{}]}');
    const refused = run(['serve', '--indexes', join(dir, 'indexes'), '--keys-file', broken]);
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /keys\.json: keys\[0\]\.id.*bad_file/);
    const half = run(['serve', '--indexes', join(dir, 'indexes'), '--jwks', 'jwks.json']);
    assert.match(half.stderr, /jwtIssuer.*bad_config/);
  });

  it('lets in who has a key, until it is revoked, and records who changed what', async (t) => {
    const dir = await temporaryDir(t);
    const [file, log] = [join(dir, 'keys.json'), join(dir, 'audit.jsonl')];
    const add = (name: string, scopes: string) =>
      run(['keys', 'add', name, '--scopes', scopes, '--keys-file', file]).stdout;
    const [root, reader] = [add('root', 'read,write,admin'), add('reader', 'read')];
    const { child, url, adminUrl, stderr } = await serve(t, dir, [
      '--keys-file',
      file,
      '--admin-port',
      '0',
      '--audit-log',
      log,
    ]);
    assert.deepEqual([await statusOf(url), await statusOf(url, reader)], [401, 200]);

    const client = createClient({ url: adminUrl!, key: root });
    await client.createIndex('pins', { dim: 3, metric: 'cosine' });
    await client.upsert('pins', { pins: [{ id: 'a', vector: [1, 0, 0] }] });
    await assert.rejects(createClient({ url, key: reader }).delete('pins', { ids: ['a'] }), { status: 403 });
    await assert.rejects(createClient({ url, key: root }).checkpoint('pins'), { code: 'unknown_route' });

    const asked = ['query', 'pins', '--related', 'a', '--url', url, '--json'];
    assert.equal(run(asked).status, 1);
    assert.equal(run(asked, { NEARPIN_KEY: reader }).status, 0);
    assert.equal(run([...asked, '--key', reader]).status, 0);
    const wrong = run([...asked, '--key', `${reader.slice(0, -1)}!`]);
    assert.equal(wrong.status, 1);
    assert.ok(!`${wrong.stdout}${wrong.stderr}`.includes(reader.slice(20, -1)), 'a key is not echoed');
    const alias = run(['alias', 'live', 'pins', '--url', adminUrl!, '--json'], { NEARPIN_KEY: root });
    assert.deepEqual(JSON.parse(alias.stdout), { aliases: [{ alias: 'live', index: 'pins' }] });

    const linesOf = async (path: string) =>
      (await readFile(path, 'utf8'))
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
    await rename(log, `${log}.1`);
    child.kill('SIGHUP');
    await until(() => stderr().includes('in force'));
    await client.upsert('pins', { pins: [{ id: 'b', vector: [0, 1, 0] }] });
    const calls = (await linesOf(`${log}.1`)).map(({ kind, who, method, index, pins, status }) => [
      kind,
      who,
      method,
      index,
      pins ?? 0,
      status,
    ]);
    assert.deepEqual(
      calls.filter(([kind]) => kind === 'call'),
      [
        ['call', 'root', 'PUT', 'pins', 0, 200],
        ['call', 'root', 'PUT', 'pins', 1, 200],
        ['call', 'root', 'PUT', 'pins', 0, 200],
      ],
    );
    assert.ok(calls.some((call) => call.join() === 'refused,reader,DELETE,pins,0,403'));
    assert.ok(calls.some((call) => call.join() === 'refused,,GET,,0,401'));
    assert.deepEqual(
      (await linesOf(log)).map(({ who, pins }) => [who, pins]),
      [['root', 1]],
    );

    run(['keys', 'revoke', 'reader', '--keys-file', file]);
    await until(async () => (await statusOf(url, reader)) === 401);
    await writeFile(file, 'nonsense');
    await until(() => stderr().includes('is not JSON'));
    assert.equal(await statusOf(url, root), 200, 'a broken file leaves in force what was');
    assert.equal(await stop(child), 0);
    for (const secret of [root, reader]) assert.ok(!stderr().includes(secret.slice(20)));
  });

  it('lets in who has a token of the issuer', async (t) => {
    const dir = await temporaryDir(t);
    const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
    const jwks = join(dir, 'jwks.json');
    await writeFile(jwks, JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'k' }] }));
    const { url } = await serve(t, dir, [
      '--jwks',
      jwks,
      '--jwt-issuer',
      'https://issuer.example',
      '--jwt-audience',
      'nearpin',
    ]);
    const sign = (audience: string) =>
      new SignJWT({ scope: 'read', indexes: '*' })
        .setProtectedHeader({ alg: 'ES256', kid: 'k' })
        .setIssuer('https://issuer.example')
        .setAudience(audience)
        .setSubject('alice')
        .setExpirationTime('5m')
        .sign(privateKey);
    assert.equal(await statusOf(url, await sign('nearpin')), 200);
    assert.equal(await statusOf(url, await sign('another')), 401);
    assert.equal(await statusOf(url), 401);
  });
});
