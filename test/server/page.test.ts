/** The page as it is served: small, whole, kept by caches, and allowed to run by its own policy and nothing else. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { catalogOf, exchange, postJson, serve } from '../support/http.ts';

/** All that a visitor can be made to load, uncompressed. */
const BYTES_MAX = 150_000;

describe('the page', () => {
  let server: Awaited<ReturnType<typeof serve>>;
  let html: Awaited<ReturnType<typeof exchange>>;
  /** Addresses of the files that the document names, the import map among it. */
  let addresses: string[];
  let importMap: string;

  before(async () => {
    server = await serve({ catalog: catalogOf([]) });
    html = await exchange(`${server.url}/`);
    importMap = /<script type="importmap">(.*)<\/script>/.exec(html.body)![1]!;
    const imported = Object.values(JSON.parse(importMap).imports as Record<string, string>);
    const named = [...html.body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, address]) => address!);
    addresses = [...new Set([...named, ...imported.map((address) => address.replace('./', ''))])].filter(
      (address) => address !== 'openapi.json',
    );
  });
  after(() => server.app.close());

  it('is an HTML document whose files all lie below one folder of this server', () => {
    assert.deepEqual([html.status, html.type], [200, 'text/html; charset=utf-8']);
    assert.ok(addresses.length > 10, `${addresses.length} files`);
    const folders = new Set(addresses.map((address) => /^assets\/[0-9a-f]{16}\//.exec(address)?.[0]));
    assert.equal(folders.size, 1);
    assert.ok(!folders.has(undefined));
  });

  it('weighs less than 150 KB in all', async () => {
    const sizes = await Promise.all(
      addresses.map(async (address) => {
        const response = await fetch(`${server.url}/${address}`);
        assert.equal(response.status, 200, address);
        return (await response.arrayBuffer()).byteLength;
      }),
    );
    const total = sizes.reduce((sum, size) => sum + size, Buffer.byteLength(html.body));
    assert.ok(total < BYTES_MAX, `${total} bytes`);
  });

  it('names every module that its modules import', async () => {
    const imports = new Set<string>();
    const { imports: packages } = JSON.parse(importMap) as { imports: Record<string, string> };
    for (const address of addresses.filter((each) => each.endsWith('.js'))) {
      const { body } = await exchange(`${server.url}/${address}`);
      const parts = body.matchAll(/^(?:import|export)\b[^;'"]*\bfrom\s*["']([^"']+)["']/gm);
      for (const [, specifier] of parts) {
        if (!specifier.startsWith('.')) assert.ok(specifier in packages, specifier);
        else imports.add(new URL(specifier, `http://x/${address}`).pathname.slice(1));
      }
    }
    for (const address of imports) assert.ok(addresses.includes(address), address);
  });

  it('may run its own files and its import map, talk to its server, and be framed by nobody', () => {
    const policy = html.headers.get('content-security-policy')!;
    const hash = createHash('sha256').update(importMap).digest('base64');
    assert.ok(policy.includes(`script-src 'self' 'sha256-${hash}';`), policy);
    for (const part of [
      "default-src 'none'",
      "style-src 'self'",
      "connect-src 'self'",
      "frame-ancestors 'none'",
    ])
      assert.ok(policy.includes(part), part);
    assert.doesNotMatch(policy, /unsafe|\*/);
    // Nothing else runs or is styled within the document
    assert.equal([...html.body.matchAll(/<script(?![^>]*\ssrc=)/g)].length, 1);
    assert.doesNotMatch(html.body, /<style|\sstyle=|\son\w+=/);
  });

  it('is asked for again each time, and its files never', async () => {
    assert.equal(html.headers.get('cache-control'), 'no-cache');
    const same = await exchange(`${server.url}/`, {
      headers: { 'if-none-match': html.headers.get('etag')! },
    });
    assert.deepEqual([same.status, same.body], [304, undefined]);
    const file = `${server.url}/${addresses.find((address) => address.endsWith('main.js'))}`;
    const { headers, type } = await exchange(file);
    assert.equal(type, 'text/javascript; charset=utf-8');
    assert.equal(headers.get('cache-control'), 'public, max-age=31536000, immutable');
    assert.equal(headers.get('x-content-type-options'), 'nosniff');
    const known = await exchange(file, { headers: { 'if-none-match': headers.get('etag')! } });
    assert.equal(known.status, 304);
  });

  it('has no other files, and none of another version', async () => {
    const [folder] = addresses[0]!.split('/page.css');
    for (const path of [
      'assets/0000000000000000/main.js',
      `${folder!.split('/').slice(0, 2).join('/')}/../../package.json`,
      `${folder!.split('/').slice(0, 2).join('/')}/..%2f..%2fpackage.json`,
      `${folder!.split('/').slice(0, 2).join('/')}/page.tsx`,
    ]) {
      const { status, body } = await exchange(`${server.url}/${path}`);
      assert.deepEqual([status, body.code], [404, 'unknown_route'], path);
    }
    assert.equal((await postJson(`${server.url}/`, {})).status, 405);
  });
});
