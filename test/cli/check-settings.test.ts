/** What keeps a server from starting, by the setting that is wrong. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { checkSettings } from '../../src/cli/check-settings.ts';
import type { Settings } from '../../src/cli/settings.ts';
import { rejects } from '../lib/refuses.ts';
import { temporaryDir } from '../storage/temporary.ts';
import { makeCertificate } from '../support/certificate.ts';

test('settings that a server can start with are taken, and all others refused by name', async (t) => {
  const dir = await temporaryDir(t);
  const path = (name: string) => join(dir, name);
  const { cert, key } = makeCertificate();
  const expired = makeCertificate({ days: -1 });
  const files = { cert, key, other: makeCertificate().key, expired: expired.cert, expiredKey: expired.key };
  for (const [name, content] of Object.entries(files)) writeFileSync(path(name), content);
  mkdirSync(path('indexes'));
  const good = {
    indexes: path('indexes'),
    host: '127.0.0.1',
    port: 8080,
    exposures: path('exposures.jsonl'),
    tlsCert: path('cert'),
    tlsKey: path('key'),
  } as unknown as Settings;
  await checkSettings(good);

  const cases: [string, Partial<Settings>][] = [
    ['indexes', { indexes: path('nowhere') }],
    ['indexes', { indexes: path('cert') }],
    ['modelDir', { modelDir: path('nowhere') }],
    ['exposures', { exposures: join(path('nowhere'), 'exposures.jsonl') }],
    ['exposures', { exposures: join(path('cert'), 'exposures.jsonl') }],
    ['exposures', { exposures: path('indexes') }],
    ['tlsCert', { tlsCert: path('nowhere') }],
    ['tlsCert', { tlsCert: path('expired'), tlsKey: path('expiredKey') }],
    ['tlsKey', { tlsKey: path('other') }],
    ['tlsKey', { tlsKey: path('cert') }],
  ];
  for (const [name, wrong] of cases)
    await t.test(`${name}: ${Object.values(wrong)[0]}`, () =>
      rejects(checkSettings({ ...good, ...wrong }), 'bad_config', name),
    );
  const { tlsCert: _cert, ...withoutCert } = good;
  await rejects(checkSettings(withoutCert as Settings), 'bad_config', 'tlsCert');
  const { tlsKey: _key, ...withoutKey } = good;
  await rejects(checkSettings(withoutKey as Settings), 'bad_config', 'tlsKey');

  if (process.getuid?.() === 0) return;
  chmodSync(path('indexes'), 0o000);
  await rejects(checkSettings(good), 'bad_config', 'indexes');
  chmodSync(path('indexes'), 0o700);
});
