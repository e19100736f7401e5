/** The page: self-contained, allowed to run by its own policy, and, in a browser, showing hits as text. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { Script } from 'node:vm';
import { NearpinError } from '../../src/lib/errors.ts';
import { catalogOf, exchange, ready, serve } from '../support/http.ts';
import { memoryEngine } from '../support/memory-engine.ts';
import { ATTRIBUTES, somePins, wordModel } from '../support/pins.ts';

const DIM = 8;

describe('the page', () => {
  let server: Awaited<ReturnType<typeof serve>>;

  before(async () => {
    const engine = memoryEngine({
      dim: DIM,
      attributes: ATTRIBUTES,
      model: 'words@1',
      pins: somePins(40, DIM, 3),
    });
    server = await serve({
      catalog: catalogOf([
        ready({ name: 'demo', engine, model: 'words@1', embed: wordModel(DIM) }),
        { name: 'bad', status: 'failed', error: new NearpinError('corrupt_file', 'broken') },
      ]),
    });
  });
  after(() => server.app.close());

  it('refers to nothing outside, and its policy names exactly its script and style', async () => {
    const { body, headers, type } = await exchange(`${server.url}/`);
    assert.equal(type, 'text/html; charset=utf-8');
    assert.doesNotMatch(body, /(?:src|href)="(?!#|data:|\/openapi\.json)/);
    const policy = headers.get('content-security-policy')!;
    assert.match(policy, /default-src 'none'/);
    for (const tag of ['script', 'style']) {
      const inline = new RegExp(`<${tag}>([^]*?)</${tag}>`).exec(body)![1]!;
      const hash = createHash('sha256').update(inline).digest('base64');
      assert.ok(policy.includes(`${tag}-src 'sha256-${hash}'`), tag);
      if (tag === 'script') new Script(inline);
    }
  });

  it('builds the document from text only', async () => {
    const { body } = await exchange(`${server.url}/`);
    assert.doesNotMatch(body, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|\son\w+=/);
  });

  it('in Chromium: searches, shows related pins with their scores, and shows markup as text', async (t) => {
    const browser = process.env.NEARPIN_TEST_CHROMIUM;
    if (browser === undefined) return t.skip('NEARPIN_TEST_CHROMIUM does not name a Chromium');
    const profile = await mkdtemp(join(tmpdir(), 'nearpin-chromium-'));
    t.after(() => rm(profile, { recursive: true, force: true, maxRetries: 5 }));
    const look = async (address: string) => {
      const { stdout } = await promisify(execFile)(
        browser,
        [
          ...['--headless=new', '--no-sandbox', '--disable-gpu', `--user-data-dir=${profile}`],
          ...['--virtual-time-budget=5000', '--dump-dom', `${server.url}/${address}`],
        ],
        { timeout: 60_000 },
      );
      return stdout;
    };
    const search = await look('#/demo/search/red');
    assert.match(search, /<h2 id="heading">Search: red<\/h2>/);
    assert.match(search, /30 hits in [\d.]+ ms/);
    assert.equal(search.match(/<li><a class="card"/g)!.length, 30);
    assert.match(search, /score -?\d\.\d{3}/);
    assert.match(search, /Pin \d+ &lt;b&gt;&amp;amp;&lt;\/b&gt;/);
    const related = await look('#/demo/related/p7');
    assert.match(related, /Related to Pin 7/);
    const hits = related.slice(related.indexOf('<ul id="hits"'));
    assert.ok(hits.includes('#/demo/related/p') && !hits.includes('#/demo/related/p7"'));
    assert.match(await look('#/demo/related/gone'), /there is no pin gone in demo \(unknown_pin\)/);
  });
});
