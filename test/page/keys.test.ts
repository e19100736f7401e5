/** The page of a server that is started with a file of real keys: what each of them gets to see, and where a key is kept. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { CATALOGUE_ATTRIBUTES, drawCatalogue } from '../../src/build/catalogue.ts';
import { lifetime, runJson, type Serving, startServer } from '../support/program.ts';
import { assertAccessible, noChromium, openChromium, type Visit, visit } from './chromium.ts';

const PINS = 120;
const SHOTS = process.env.NEARPIN_TEST_SHOTS;

describe('the page of a server with keys', { skip: noChromium ?? false }, () => {
  const servers = lifetime();
  let dir: string;
  let server: Serving;
  let browser: Browser;
  const keys: Record<string, string> = {};

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'nearpin-page-keys-'));
    const file = join(dir, 'pins.jsonl');
    await writeFile(file, Array.from(drawCatalogue(PINS, 1), (pin) => `${JSON.stringify(pin)}\n`).join(''));
    const attributes = JSON.stringify(CATALOGUE_ATTRIBUTES);
    const out = join(dir, 'indexes', 'demo');
    runJson('build', file, '--out', out, '--model', 'hashed-ngrams', '--attributes', attributes);
    const keysFile = join(dir, 'keys.json');
    const add = (name: string, ...more: string[]) => {
      keys[name] = runJson('keys', 'add', name, '--keys-file', keysFile, ...more).key;
    };
    add('reader');
    add('writer', '--scopes', 'write');
    add('elsewhere', '--only', 'other');
    add('operator', '--scopes', 'read,admin,metrics');
    const settings = ['--indexes', join(dir, 'indexes'), '--keys-file', keysFile];
    server = await startServer(servers, [...settings, '--audit-log', join(dir, 'audit.jsonl')]);
    browser = await openChromium();
  });
  after(async () => {
    await browser?.close();
    await servers.end();
    await rm(dir, { recursive: true, force: true });
  });

  async function open(t: TestContext, query = ''): Promise<Visit> {
    const seen = await visit(browser, `${server.url}/${query}`);
    t.after(() => seen.close());
    return seen;
  }

  async function give(page: Page, key: string): Promise<void> {
    await page.getByLabel(/key$/i).fill(key);
    await page.getByRole('button', { name: 'Use it' }).click();
  }

  async function checkState(page: Page, name: string): Promise<void> {
    if (SHOTS !== undefined) await page.screenshot({ path: join(SHOTS, `keys-${name}.png`), fullPage: true });
    await assertAccessible(page);
  }

  const heading = (page: Page, name: string) => page.getByRole('heading', { level: 1, name }).waitFor();

  it('asks for one, says which are wrong or for something else, and searches with the right one', async (t) => {
    const seen = await open(t, '?text=velvet+sofa');
    const { page } = seen;
    await heading(page, 'This server asks for a key');
    await checkState(page, 'none');
    for (const wrong of ['secret', `${keys.reader!.slice(0, -1)}${keys.reader!.endsWith('A') ? 'B' : 'A'}`]) {
      await give(page, wrong);
      await heading(page, 'The server does not take this key');
    }
    await checkState(page, 'wrong');
    await give(page, keys.writer!);
    await heading(page, 'This key may not see that');
    await checkState(page, 'writer');
    assert.ok(
      seen.failed.every((address) => /^40[13] .*\/v1\/indexes$/.test(address)),
      seen.failed.join(),
    );
    seen.failed.length = 0;

    await give(page, keys.reader!);
    await heading(page, 'Pins for “velvet sofa”');
    await page.locator('.card').first().waitFor();
    await page.getByText(/\d+ of 24/).waitFor();
    await checkState(page, 'search');
    await page.getByRole('searchbox').fill('brass lamp');
    await page.keyboard.press('Enter');
    await heading(page, 'Pins for “brass lamp”');
    assert.deepEqual([seen.errors, seen.external, seen.failed], [[], [], []]);
  });

  it('says so when a key is for other indexes', async (t) => {
    const seen = await open(t);
    const { page } = seen;
    await heading(page, 'This server asks for a key');
    await give(page, keys.elsewhere!);
    await heading(page, 'There is no index that this key may see');
    await checkState(page, 'elsewhere');
    await page.getByRole('button', { name: 'Forget the key' }).click();
    await heading(page, 'This server asks for a key');
    assert.deepEqual([seen.errors, seen.external], [[], []]);
  });

  it('asks for what is not for readers on a click alone, and says that it is not theirs', async (t) => {
    const seen = await open(t);
    const { page } = seen;
    await heading(page, 'This server asks for a key');
    await give(page, keys.reader!);
    await page.locator('.card').first().waitFor();
    seen.failed.length = 0;
    const refused = async () =>
      (await readFile(join(dir, 'audit.jsonl'), 'utf8')).match(/"forbidden"/g)?.length;
    const refusedBefore = await refused();
    await page.getByRole('link', { name: 'Index' }).click();
    await heading(page, 'Index demo');
    await page.getByRole('heading', { level: 2, name: 'Surfaces' }).waitFor();
    // A chart has a line from its second look on
    await page.waitForFunction(() => document.querySelector('.line-2')?.getAttribute('d')?.includes('L'));
    await checkState(page, 'index');
    assert.deepEqual([seen.errors, seen.external, seen.failed], [[], [], []]);
    assert.equal(await refused(), refusedBefore, 'nothing was refused');

    await page.getByRole('button', { name: 'Show generations' }).click();
    await page.getByText('This key may not see them.').waitFor();
    await page.getByRole('button', { name: 'Show metrics' }).click();
    await page.getByText(/not to be had here: /).waitFor();
    await checkState(page, 'index-refused');
    assert.deepEqual([seen.errors, seen.external], [[], []]);
    assert.equal(seen.failed.length, 2, seen.failed.join());
    for (const address of seen.failed) assert.match(address, /^403 .*\/(generations|metrics)$/);
  });

  it('shows an operator all of it', async (t) => {
    const seen = await open(t, '?view=index');
    const { page } = seen;
    await heading(page, 'This server asks for a key');
    await give(page, keys.operator!);
    await heading(page, 'Index demo');
    seen.failed.length = 0;
    await page.getByRole('button', { name: 'Show generations' }).click();
    await page.getByRole('cell', { name: 'served' }).waitFor();
    await page.getByRole('button', { name: 'Show metrics' }).click();
    await page
      .locator('.chart', { hasText: 'Memory' })
      .getByText(/process [\d.]+ MiB/)
      .waitFor();
    await checkState(page, 'operator');
    assert.deepEqual([seen.errors, seen.external, seen.failed], [[], [], []]);
  });

  it('keeps a key in its tab: not in the address, nor where other tabs and later visits find it', async (t) => {
    const context = await browser.newContext();
    t.after(() => context.close());
    const page = await context.newPage();
    const addresses: string[] = [];
    page.on('request', (request) => addresses.push(`${request.url()} ${request.headers().referer ?? ''}`));
    await page.goto(`${server.url}/`);
    await give(page, keys.reader!);
    await page.locator('.card').first().waitFor();
    await page.reload();
    await page.locator('.card').first().waitFor();
    const secret = keys.reader!.slice(-43);
    const kept = await page.evaluate(async () => [
      JSON.stringify(localStorage),
      document.cookie,
      location.href,
      JSON.stringify(history.state),
      (await caches.keys()).join(),
      (await indexedDB.databases()).map(({ name }) => name).join(),
    ]);
    assert.ok(!kept.join().includes(secret), kept.join());
    assert.deepEqual(kept.slice(4), ['', '']);
    assert.ok(!addresses.join().includes(secret));
    const other = await context.newPage();
    await other.goto(`${server.url}/`);
    await heading(other, 'This server asks for a key');
    await page.getByRole('button', { name: 'Forget the key' }).click();
    await heading(page, 'This server asks for a key');
    assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  });
});
