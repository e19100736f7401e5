/** A server with a certificate: who can talk to it, and who cannot. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:https';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'node:tls';
import { CATALOGUE_ATTRIBUTES, drawCatalogue } from '../../src/build/catalogue.ts';
import { makeCertificate } from '../support/certificate.ts';
import { lifetime, run, runJson, type Serving, startServer } from '../support/program.ts';
import { parseMetrics, seriesValue } from '../support/prometheus.ts';

describe('a server with a certificate', () => {
  let folder: string;
  let indexes: string;
  let server: Serving;
  let tls: string[];
  let trust: Record<string, string>;
  const all = lifetime();

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'nearpin-tls-'));
    indexes = join(folder, 'indexes');
    mkdirSync(indexes);
    const pins = join(folder, 'pins.jsonl');
    writeFileSync(pins, Array.from(drawCatalogue(200, 3), (pin) => `${JSON.stringify(pin)}\n`).join(''));
    const attributes = ['--attributes', JSON.stringify(CATALOGUE_ATTRIBUTES)];
    runJson('build', pins, '--out', join(indexes, 'pins'), ...attributes);
    const files = { cert: join(folder, 'tls.crt'), key: join(folder, 'tls.key') };
    const made = makeCertificate();
    writeFileSync(files.cert, made.cert);
    writeFileSync(files.key, made.key);
    tls = ['--tls-cert', files.cert, '--tls-key', files.key];
    trust = { NODE_EXTRA_CA_CERTS: files.cert };
    server = await startServer(all, ['--indexes', indexes, '--workers', '1', ...tls]);
  });
  after(async () => {
    await all.end();
    rmSync(folder, { recursive: true, force: true });
  });

  const port = () => Number(new URL(server.url).port);

  it('says so in its address, and answers who trusts it', () => {
    assert.match(server.url, /^https:\/\/127\.0\.0\.1:\d+$/);
    const { status, stdout, stderr } = run(
      ['query', 'pins', '--text', 'brass lamp', '--url', server.url, '--json'],
      trust,
    );
    assert.equal(status, 0, stderr);
    assert.equal(JSON.parse(stdout).hits.length, 10);
  });

  it('tells in its metrics when the certificate ends', async () => {
    const ca = readFileSync(trust.NODE_EXTRA_CA_CERTS!);
    const text = await new Promise<string>((resolve, reject) => {
      get(`${server.url}/metrics`, { ca, agent: false }, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (chunk) => {
          body += chunk;
        });
        response.on('end', () => resolve(body));
      }).on('error', reject);
    });
    const told = seriesValue(parseMetrics(text), 'nearpin_certificate_expiry_timestamp_seconds');
    assert.equal(told, Date.parse(new X509Certificate(ca).validTo) / 1000);
  });

  it('is not believed by who does not', () => {
    const { status, stderr } = run(['query', 'pins', '--text', 'brass lamp', '--url', server.url]);
    assert.equal(status, 1);
    assert.match(stderr, /certificate.*\(connection_failed\)\n$/);
  });

  it('speaks TLS 1.2 and newer', async () => {
    const speak = (version: 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3') =>
      new Promise<string | null>((resolve) => {
        const options = { minVersion: version, maxVersion: version, rejectUnauthorized: false } as const;
        // What an old client would allow itself
        const socket = connect(
          { port: port(), host: '127.0.0.1', ciphers: 'ALL:@SECLEVEL=0', ...options },
          () => {
            resolve(socket.getProtocol());
            socket.destroy();
          },
        );
        socket.on('error', () => resolve(null));
      });
    assert.deepEqual(await Promise.all([speak('TLSv1.1'), speak('TLSv1.2'), speak('TLSv1.3')]), [
      null,
      'TLSv1.2',
      'TLSv1.3',
    ]);
  });

  it('ends connections that do not speak TLS, and goes on', async () => {
    for (const bytes of ['GET /livez HTTP/1.1\r\nhost: a\r\n\r\n', '\u0016\u0003\u0001nonsense']) {
      const answer = await new Promise<Buffer>((resolve, reject) => {
        const parts: Buffer[] = [];
        const socket = connectTcp(port(), '127.0.0.1', () => socket.write(bytes));
        socket.on('data', (part: Buffer) => parts.push(part)).on('error', reject);
        socket.on('close', () => resolve(Buffer.concat(parts)));
      });
      assert.doesNotMatch(answer.toString('latin1'), /live/);
    }
    assert.equal(run(['generations', 'pins', '--url', server.url], trust).status, 0);
  });

  it('tells `nearpin health` that it is ready, until it is not', async (t) => {
    const own = await startServer(t, ['--indexes', indexes, '--workers', '1', '--drain-ms', '60000', ...tls]);
    const at = ['health', '--port', new URL(own.url).port, ...tls];
    assert.deepEqual(run(at), { status: 0, stdout: 'ready\n', stderr: '' });
    assert.deepEqual(JSON.parse(run([...at, '--json']).stdout).ready, ['pins']);
    const ended = own.stop();
    await own.said(/SIGTERM/);
    const draining = run(at);
    assert.equal(draining.status, 1);
    assert.match(draining.stderr, /503: The server is draining \(not_ready\)\n$/);
    own.child.kill('SIGTERM');
    assert.equal(await ended, 1);
    const gone = run(at);
    assert.equal(gone.status, 1);
    assert.match(gone.stderr, /does not answer: .*ECONNREFUSED.*\(not_ready\)\n$/);
  });

  it('asks the listener of health where there is one, without TLS', async (t) => {
    const own = await startServer(t, [
      ...['--indexes', indexes, '--workers', '1', '--drain-ms', '60000', '--health-port', '0', '--json'],
      ...tls,
    ]);
    const { url, healthUrl } = JSON.parse(own.url);
    assert.match(url, /^https:/);
    assert.match(healthUrl, /^http:/);
    assert.notEqual(new URL(url).port, new URL(healthUrl).port);
    const at = ['health', '--port', '0', '--health-port', new URL(healthUrl).port, ...tls];
    assert.deepEqual(run(at), { status: 0, stdout: 'ready\n', stderr: '' });
    const ended = own.stop();
    await own.said(/SIGTERM/);
    while ((await fetch(`${healthUrl}/readyz`)).status === 200) await sleep(10);
    assert.match(run(at).stderr, /503: The server is draining \(not_ready\)\n$/);
    assert.equal((await fetch(`${healthUrl}/livez`)).status, 200);
    own.child.kill('SIGTERM');
    assert.equal(await ended, 1);
    assert.match(run([...at, '--health-port', '0']).stderr, /healthPort: is 0/);
  });
});

describe('nearpin health', () => {
  it('does not ask where it cannot know the port', () => {
    const { status, stderr } = run(['health', '--port', '0']);
    assert.equal(status, 1);
    assert.match(stderr, /port: is 0/);
  });
});
