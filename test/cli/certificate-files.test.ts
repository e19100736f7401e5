/** Certificates of listeners: what is refused, and how a renewed one comes into force. */
import assert from 'node:assert/strict';
import { renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { connect } from 'node:tls';
import {
  CertificateFiles,
  type CertificateSettings,
  certificateSettings,
  readCertificate,
} from '../../src/cli/certificate-files.ts';
import type { Settings } from '../../src/cli/settings.ts';
import { refuses, rejects } from '../lib/refuses.ts';
import { temporaryDir } from '../storage/temporary.ts';
import { makeCertificate, type TestCertificate } from '../support/certificate.ts';

async function filesOf(t: TestContext, made: TestCertificate): Promise<CertificateSettings> {
  const dir = await temporaryDir(t);
  const files = { tlsCert: join(dir, 'tls.crt'), tlsKey: join(dir, 'tls.key') };
  writeFileSync(files.tlsCert, made.cert);
  writeFileSync(files.tlsKey, made.key);
  return files;
}

/** As a renewing tool does: written beside, then renamed. */
function replace(path: string, content: string): void {
  writeFileSync(`${path}.new`, content);
  renameSync(`${path}.new`, path);
}

const now = () => Date.now();

describe('a certificate and its key', () => {
  it('are taken when they fit', async (t) => {
    const files = await filesOf(t, makeCertificate({ days: 5 }));
    const { context, expiresAtMs } = await readCertificate(files, now());
    assert.equal(context.minVersion, 'TLSv1.2');
    assert.ok(Math.abs(expiresAtMs - now() - 5 * 86_400_000) < 60_000);
  });

  it('are set both or not at all', () => {
    const of = (some: object) => certificateSettings(some as Settings);
    assert.equal(of({}), undefined);
    refuses(() => of({ tlsCert: 'a' }), 'bad_config', 'tlsKey');
    refuses(() => of({ tlsKey: 'a' }), 'bad_config', 'tlsCert');
  });

  it('are refused by the setting that is wrong', async (t) => {
    const good = makeCertificate();
    const cases: [string, Partial<TestCertificate>, string][] = [
      ['another key', { key: makeCertificate().key }, 'tlsKey'],
      ['no key', { key: 'nothing' }, 'tlsKey'],
      ['no certificate', { cert: good.key }, 'tlsCert'],
      ['an expired certificate', makeCertificate({ days: -1 }), 'tlsCert'],
      [
        'a damaged chain',
        { cert: `${good.cert}-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n` },
        'tlsCert',
      ],
    ];
    for (const [name, wrong, path] of cases)
      await t.test(name, async (t) => {
        const files = await filesOf(t, { ...good, ...wrong });
        await rejects(readCertificate(files, now()), 'bad_config', path);
      });
    const early = await filesOf(t, good);
    await rejects(readCertificate(early, now() - 10 * 86_400_000), 'bad_config', 'tlsCert');
    await rejects(readCertificate({ ...early, tlsKey: '/nowhere/key' }, now()), 'bad_config', 'tlsKey');
  });
});

describe('certificate files', () => {
  /** An https server that follows them, and what it shows to a new connection. */
  async function listening(t: TestContext, first: TestCertificate) {
    const files = await filesOf(t, first);
    const notes: string[] = [];
    const certificate = await CertificateFiles.open(files, { note: (line) => notes.push(line), clock: now });
    // The test says when it looks
    certificate.close();
    const server = createServer(certificate.context, (_request, response) => response.end('ok'));
    certificate.follow(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => server.close());
    const { port } = server.address() as AddressInfo;
    const shown = () =>
      new Promise<string>((resolve, reject) => {
        const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
          resolve(socket.getPeerCertificate().subject.CN as string);
          socket.destroy();
        }).on('error', reject);
      });
    return { files, notes, certificate, shown };
  }

  it('that are renewed are shown to the next connection, once they stay as they are', async (t) => {
    const { files, notes, certificate, shown } = await listening(t, makeCertificate({ name: 'one' }));
    assert.equal(await shown(), 'one');
    const two = makeCertificate({ name: 'two' });
    replace(files.tlsCert, two.cert);
    await certificate.look();
    replace(files.tlsKey, two.key);
    await certificate.look();
    assert.equal(await shown(), 'one');
    assert.deepEqual(notes, []);
    await certificate.look();
    assert.equal(await shown(), 'two');
    assert.match(notes.join(), /^certificate taken anew, valid until /);
  });

  it('that do not fit are told of once, and leave the one before in force', async (t) => {
    const { files, notes, certificate, shown } = await listening(t, makeCertificate({ name: 'one' }));
    const two = makeCertificate({ name: 'two' });
    replace(files.tlsCert, two.cert);
    for (let look = 0; look < 4; look++) await certificate.look();
    assert.equal(notes.length, 1);
    assert.match(notes[0]!, /not renewed, .*tlsKey/);
    assert.equal(await shown(), 'one');
    replace(files.tlsKey, two.key);
    await certificate.look(true);
    assert.equal(await shown(), 'two');
  });

  it('that are about to expire are told of, once', async (t) => {
    const { notes, certificate } = await listening(t, makeCertificate({ days: 3 }));
    await certificate.look();
    assert.equal(notes.length, 1);
    assert.match(notes[0]!, /expires in 3\.0 days/);
  });

  it('that come to expire while they are shown are told of, once', async (t) => {
    t.mock.timers.enable({ apis: ['setInterval'] });
    const notes: string[] = [];
    let nowMs = now();
    const files = await filesOf(t, makeCertificate({ days: 20 }));
    const options = { note: (line: string) => notes.push(line), clock: () => nowMs };
    const certificate = await CertificateFiles.open(files, options);
    t.after(() => certificate.close());
    t.mock.timers.tick(60_000);
    assert.deepEqual(notes, []);
    nowMs += 7 * 86_400_000;
    for (let i = 0; i < 3; i++) t.mock.timers.tick(60_000);
    assert.equal(notes.length, 1);
    assert.match(notes[0]!, /expires in 13\.0 days/);
  });
});
