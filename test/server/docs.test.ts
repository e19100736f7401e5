/** The pages for people: complete, self-contained, allowed by their own policy, and working in a browser. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Script } from 'node:vm';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { ERRORS } from '../../src/lib/errors.ts';
import { ERROR_GUIDE } from '../../src/server/docs/error-guide.ts';
import { errorsMarkdown } from '../../src/server/docs/errors-page.ts';
import type { OpenApi } from '../../src/server/openapi.ts';
import { catalogOf, exchange, ready, serve } from '../support/http.ts';
import { memoryEngine } from '../support/memory-engine.ts';
import { ATTRIBUTES, somePins } from '../support/pins.ts';

const CODES = Object.keys(ERRORS).sort();
const PAGES = ['/docs', '/docs/errors'];

let server: Awaited<ReturnType<typeof serve>>;
let api: OpenApi;
before(async () => {
  const engine = memoryEngine({ dim: 4, attributes: ATTRIBUTES, pins: somePins(20, 4, 1) });
  server = await serve({ catalog: catalogOf([ready({ name: 'pins', engine, model: null })]) });
  api = (await exchange(`${server.url}/openapi.json`)).body;
});
after(() => server.app.close());

/** Without fetch, which unpacks. */
function get(path: string, headers: Record<string, string> = {}) {
  return new Promise<{ status: number; headers: Record<string, unknown>; body: Buffer }>(
    (resolve, reject) => {
      httpRequest(server.url + path, { headers }, (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part) => parts.push(part));
        response.on('end', () =>
          resolve({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(parts) }),
        );
      })
        .on('error', reject)
        .end();
    },
  );
}

describe('the documentation of errors', () => {
  it('names every code of the table, and no other: in docs/errors.md, on the page and in OpenAPI', async () => {
    const file = readFileSync(fileURLToPath(new URL('../../../docs/errors.md', import.meta.url)), 'utf8');
    const inFile = [...file.matchAll(/^## (\w+)$/gm)].map(([, code]) => code);
    assert.deepEqual(inFile.sort(), CODES);
    const { body } = await exchange(`${server.url}/docs/errors`);
    const onPage = [...body.matchAll(/<section id="(\w+)" class="entry">/g)].map(([, code]) => code);
    assert.deepEqual(onPage.sort(), CODES);
    assert.deepEqual(Object.keys(ERROR_GUIDE).sort(), CODES);
    assert.equal(file, errorsMarkdown(api), 'docs/errors.md is not up to date: npm run docs');
  });

  it('says of each where it is met: in an operation, at any address, or on the command line only', () => {
    const met = new Set(
      Object.values(api.paths).flatMap((methods) =>
        Object.values(methods).flatMap((operation) => operation['x-error-codes'] as readonly string[]),
      ),
    );
    const elsewhere = CODES.filter((code) => !met.has(code));
    assert.deepEqual(elsewhere.toSorted(), [
      'auth_required',
      'bad_case',
      'bad_file',
      'interrupted',
      'low_recall',
      'method_not_allowed',
      'misdirected_request',
      'unknown_key',
      'unknown_operation',
      'unknown_route',
    ]);
  });

  it('is where the type of a problem leads', async () => {
    const { body } = await exchange(`${server.url}/v1/indexes/none`);
    const [path, code] = body.type.split('#');
    const page = await exchange(server.url + path);
    assert.equal(page.status, 200);
    assert.ok(page.body.includes(`id="${code}"`));
  });
});

describe('the pages for people', () => {
  for (const path of PAGES) {
    it(`${path} refers to nothing outside, and its policy names exactly its script and style`, async () => {
      const { body, headers, type } = await exchange(server.url + path);
      assert.equal(type, 'text/html; charset=utf-8');
      for (const [, address] of body.matchAll(/(?:src|href)="([^"]*)"/g))
        assert.match(address, /^(#|\/|data:,$)/);
      const policy = headers.get('content-security-policy')!;
      assert.match(policy, /^default-src 'none'/);
      assert.doesNotMatch(policy, /unsafe|\*|https?:/);
      for (const tag of ['script', 'style']) {
        const inside = new RegExp(`<${tag}>([\\s\\S]*?)</${tag}>`).exec(body)![1]!;
        const hash = createHash('sha256').update(inside).digest('base64');
        assert.ok(policy.includes(`${tag}-src 'sha256-${hash}'`), tag);
        if (tag === 'script') new Script(inside);
      }
      assert.doesNotMatch(body, /innerHTML|\son\w+=| style=/);
      const ids = [...body.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
      assert.equal(new Set(ids).size, ids.length, 'ids are unique');
    });
  }

  it('link only to places that are there', async () => {
    const bodies = new Map<string, string>();
    for (const path of PAGES) bodies.set(path, (await exchange(server.url + path)).body);
    for (const [path, body] of bodies)
      for (const [, page, id] of body.matchAll(/href="([^"#]*)#([^"]+)"/g)) {
        const target = bodies.get(page === '' ? path : page!);
        assert.ok(target?.includes(` id="${id}"`), `${page}#${id} of ${path}`);
      }
  });

  it('are packed once, each encoding with a tag of its own, and not sent to whoever has them', async () => {
    const plain = await get('/docs');
    const tags = new Set([plain.headers.etag]);
    for (const [encoding, unpack] of [
      ['gzip', gunzipSync],
      ['br', brotliDecompressSync],
    ] as const) {
      const packed = await get('/docs', { 'accept-encoding': encoding });
      assert.equal(packed.headers['content-encoding'], encoding);
      assert.equal(packed.headers.vary, 'accept-encoding');
      assert.ok(packed.body.length < plain.body.length / 4, `${packed.body.length} of ${plain.body.length}`);
      assert.ok(unpack(packed.body).equals(plain.body));
      tags.add(packed.headers.etag);
      const again = await get('/docs', {
        'accept-encoding': encoding,
        'if-none-match': `"other", ${packed.headers.etag}`,
      });
      assert.deepEqual([again.status, again.body.length, again.headers.etag], [304, 0, packed.headers.etag]);
    }
    assert.equal(tags.size, 3);
    assert.equal((await get('/docs', { 'if-none-match': '"other"' })).status, 200);
  });
});
