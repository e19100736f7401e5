import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after } from 'node:test';
import { Command } from 'commander';
import { readSettings, SETTING_NAMES, SETTINGS, settingOptions } from '../../src/cli/settings.ts';
import { compileCheck } from '../../src/server/validate.ts';
import { rejects } from '../lib/refuses.ts';

const folder = mkdtempSync(join(tmpdir(), 'nearpin-settings-'));
after(() => rmSync(folder, { recursive: true }));

function written(content: unknown): string {
  const path = join(folder, 'nearpin.json');
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

/** Settings of a command line, with these variables set meanwhile. */
async function read(args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  const command = new Command('serve').exitOverride().configureOutput({ writeErr: () => {} });
  for (const each of settingOptions()) command.addOption(each);
  const before = { ...process.env };
  Object.assign(process.env, environment);
  try {
    command.parse(args, { from: 'user' });
  } finally {
    process.env = before;
  }
  return readSettings(command);
}

test('a flag wins over the environment, that over the file, that over the default', async () => {
  const config = written({ port: 1, drainMs: 1, workers: 1 });
  const { settings, origins } = await read(['--config', config, '--port', '3'], {
    NEARPIN_PORT: '2',
    NEARPIN_DRAIN_MS: '2',
  });
  assert.deepEqual(
    [settings.port, settings.drainMs, settings.workers, settings.host],
    [3, 2, 1, '127.0.0.1'],
  );
  assert.deepEqual(
    [origins.port, origins.drainMs, origins.workers, origins.host, origins.exposures],
    ['flag', 'environment', 'file', 'default', 'none'],
  );
});

test('a list is separated by commas in a flag, and one in the file; each of it is checked', async () => {
  const origins = ['https://a.example', 'http://localhost:3000'];
  assert.deepEqual((await read([])).settings.corsOrigins, []);
  assert.deepEqual((await read([`--cors-origins=${origins}`])).settings.corsOrigins, origins);
  const config = written({ corsOrigins: origins });
  assert.deepEqual((await read(['--config', config])).settings.corsOrigins, origins);
  for (const bad of ['*', 'a.example', 'https://a.example/path']) {
    await assert.rejects(read(['--cors-origins', bad]), /does not match/);
    await rejects(read(['--config', written({ corsOrigins: [bad] })]), 'bad_config');
  }
});

test('the file itself can be named by the environment', async () => {
  const { settings } = await read([], { NEARPIN_CONFIG: written({ host: '127.0.0.2' }) });
  assert.equal(settings.host, '127.0.0.2');
});

test('what is on in the file can be put off by a flag and by the environment', async () => {
  const config = written({ allowDownload: true });
  assert.equal((await read(['--config', config])).settings.allowDownload, true);
  assert.equal((await read(['--config', config, '--allow-download=false'])).settings.allowDownload, false);
  const put = { NEARPIN_ALLOW_DOWNLOAD: 'false' };
  assert.equal((await read(['--config', config], put)).settings.allowDownload, false);
  assert.equal((await read(['--allow-download'], put)).settings.allowDownload, true);
});

test('a file with an unknown name, a wrong type or a value beyond its bounds is refused with the place', async () => {
  const cases: [unknown, string][] = [
    [{ prot: 1 }, 'prot'],
    [{ port: '1' }, 'port'],
    [{ port: 65_536 }, 'port'],
    [{ workers: 0 }, 'workers'],
    [{ engine: 'annoy' }, 'engine'],
    [{ modelDir: '' }, 'modelDir'],
    ['{', ''],
  ];
  for (const [content, path] of cases)
    await rejects(read(['--config', written(content)]), 'bad_config', path);
  await rejects(read(['--config', join(folder, 'none.json')]), 'io_error');
});

test('a flag or a variable with a bad value is refused as wrong usage', async () => {
  await assert.rejects(read(['--port', '65536']), { code: 'commander.invalidArgument' });
  await assert.rejects(read([], { NEARPIN_WORKERS: 'many' }), { code: 'commander.invalidArgument' });
  await assert.rejects(read(['--allow-download=maybe']), { code: 'commander.invalidArgument' });
});

test('every setting has a description and a default that fits it', () => {
  for (const name of SETTING_NAMES) {
    const said = SETTINGS[name] as { description?: string; default?: unknown };
    assert.ok(said.description, name);
    if (said.default !== undefined)
      assert.doesNotThrow(() => compileCheck(SETTINGS[name])(said.default), name);
  }
});
