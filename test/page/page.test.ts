/**
 * The page in a browser, over a real index of the demo's catalogue: what a visitor does with it, with a pointer and with
 * keys, in light and dark, wide and at 360 px; what it shows when something is wrong; and that axe-core, the console and the
 * network have nothing to say against any of it.
 */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { CATALOGUE_ATTRIBUTES, drawCatalogue } from '../../src/build/catalogue.ts';
import { createCatalog, type LoadedCatalog } from '../../src/cli/catalog.ts';
import { createClient } from '../../src/client/client.ts';
import { createEngineHost } from '../../src/engines/engine-host.ts';
import { NearpinError } from '../../src/lib/errors.ts';
import type { Catalog } from '../../src/server/catalog.ts';
import { serve } from '../support/http.ts';
import {
  assertAccessible,
  assertNoSideways,
  noChromium,
  openChromium,
  type Visit,
  visit,
} from './chromium.ts';

const PINS = 300;
/** Also of what else could be done to the address bar. */
const HEADING = '#heading';

/** Where a folder is named, every state that is checked is also kept there as an image, for people to look at. */
const SHOTS = process.env.NEARPIN_TEST_SHOTS;

describe('the page in Chromium', { skip: noChromium ?? false }, () => {
  const host = createEngineHost('wasm', 1);
  let dir: string;
  let catalog: LoadedCatalog;
  let server: Awaited<ReturnType<typeof serve>>;
  let browser: Browser;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'nearpin-page-'));
    await mkdir(join(dir, 'indexes'));
    catalog = await createCatalog(join(dir, 'indexes'), host, {}, () => {});
    await catalog.load(() => {});
    server = await serve({ catalog: withBroken(catalog) });
    const client = createClient({ url: server.url });
    await client.createIndex('demo', {
      dim: 256,
      metric: 'cosine',
      model: 'hashed-ngrams',
      attributes: CATALOGUE_ATTRIBUTES,
    });
    await client.upsert('demo', { pins: [...drawCatalogue(PINS, 1)] as never });
    browser = await openChromium();
  });
  after(async () => {
    await browser?.close();
    await server.app.close();
    await catalog.close();
    await host.close();
    await rm(dir, { recursive: true, force: true });
  });

  /** A visit that is clean at its end: nothing in the console, nothing from elsewhere, and nothing that failed. */
  async function look(t: TestContext, query = '', options: BrowserContextOptions = {}): Promise<Visit> {
    const seen = await visit(browser, `${server.url}/${query}`, options);
    t.after(() => seen.close());
    return seen;
  }

  async function picture(page: Page, name: string): Promise<void> {
    if (SHOTS !== undefined) await page.screenshot({ path: join(SHOTS, `${name}.png`) });
  }

  async function checkState(page: Page, name: string): Promise<void> {
    await picture(page, name);
    await assertAccessible(page);
  }

  function assertClean({ errors, external, failed }: Visit, expected: readonly RegExp[] = []): void {
    assert.deepEqual([errors, external], [[], []]);
    assert.deepEqual(
      failed.filter((address) => !expected.some((pattern) => pattern.test(address))),
      [],
    );
  }

  it('opens with pins, what they took, and what may be set', async (t) => {
    const seen = await look(t);
    const { page } = seen;
    await page.locator('.card').first().waitFor();
    assert.equal(await page.locator('.card').count(), 24);
    assert.equal(await page.locator(HEADING).textContent(), 'Pins');
    assert.match((await page.getByRole('status').textContent())!, /^24 pins in [\d.]+ ms$/);
    assert.match((await page.locator('.facts dl').textContent())!, /Coverage1 of 1 shard/);
    // Filters follow from the schema, with values that were found
    for (const legend of ['category', 'board', 'colours', 'price', 'inStock', 'savedAt'])
      await page.locator('legend', { hasText: new RegExp(`^${legend}$`) }).waitFor();
    await page.getByRole('checkbox', { name: 'lamps', exact: true }).waitFor();
    await checkState(page, 'home');
    assertClean(seen);
  });

  it('searches, measures recall beside the answer, and goes back by the address', async (t) => {
    const seen = await look(t);
    const { page } = seen;
    await page.getByRole('searchbox').fill('velvet sofa');
    await page.getByRole('button', { name: 'Search' }).click();
    await page.getByRole('heading', { level: 1, name: 'Pins for “velvet sofa”' }).waitFor();
    assert.match(page.url(), /\?text=velvet\+sofa$/);
    assert.match(await page.title(), /velvet sofa/);
    await page.getByText(/\d+ of 24/).waitFor();
    const facts = (await page.locator('.facts dl').textContent())!;
    assert.match(facts, /Recall[\d.]+ % \(\d+ of 24\)/);
    assert.match(facts, /Server[\d.]+ ms/);
    assert.match((await page.locator('.score').first().textContent())!, /\d\.\d{3}/);
    await checkState(page, 'search');

    await page.getByRole('radio', { name: 'by words' }).check();
    await page.waitForURL(/mode=lexical/);
    await page.locator('.results:not(.waiting)').waitFor();
    assert.doesNotMatch((await page.locator('.facts dl').textContent())!, /Recall/);
    await page.goBack();
    await page.getByRole('heading', { level: 1, name: 'Pins', exact: true }).waitFor();
    assert.equal(await page.getByRole('searchbox').inputValue(), '');
    assertClean(seen);
  });

  it('shows related pins with their seed, and returns to the place that one left', async (t) => {
    const seen = await look(t, '?text=lamp');
    const { page } = seen;
    const card = page.locator('.card a').nth(20);
    await card.scrollIntoViewIfNeeded();
    const title = (await card.textContent())!.trim();
    const [id, left] = [await card.getAttribute('id'), await page.evaluate(() => scrollY)];
    assert.ok(left > 100, `scrolled by ${left}`);
    await card.click();
    await page.getByRole('heading', { level: 1, name: `Related to ${title}` }).waitFor();
    const seed = page.getByRole('region', { name: 'The pin that these are related to' });
    assert.match((await seed.textContent())!, new RegExp(id!.replace('pin-pin', 'pin')));
    assert.equal(await page.locator(`.grid #${id}`).count(), 0);
    assert.equal(await page.evaluate(() => document.activeElement?.id), 'heading');
    assert.equal(await page.evaluate(() => scrollY), 0);
    await checkState(page, 'related');

    await page.goBack();
    await page.getByRole('heading', { level: 1, name: 'Pins for “lamp”' }).waitFor();
    await page.waitForFunction((y) => Math.abs(scrollY - y) < 5, left);
    assert.equal(await page.evaluate(() => document.activeElement?.id), id);
    // The link itself is the state: opened anew it shows the same
    await page.goForward();
    await page.reload();
    await page.getByRole('heading', { level: 1, name: `Related to ${title}` }).waitFor();
    assertClean(seen);
  });

  it('filters by what is ticked, typed and bounded, and takes filters away again', async (t) => {
    const seen = await look(t, '?k=100');
    const { page } = seen;
    await page.getByRole('checkbox', { name: 'lamps', exact: true }).check();
    await page.waitForURL(/f\.category=lamps/);
    await page.locator('.results:not(.waiting)').waitFor();
    const keywords = await page.locator('.card .keywords').allTextContents();
    assert.ok(keywords.length > 5 && keywords.every((text) => text.startsWith('lamps')), keywords.join());
    const lamps = keywords.length;
    const price = page.getByLabel('price to');
    await price.fill('80');
    await price.press('Tab');
    await page.waitForURL(/f\.price=..80/);
    await page.locator('.results:not(.waiting)').waitFor();
    const cheap = await page.locator('.card').count();
    assert.ok(cheap > 0 && cheap < lamps, `${cheap} of ${lamps}`);
    await checkState(page, 'filtered');
    await page.getByRole('button', { name: /price: up to 80/ }).click();
    await page.waitForFunction((count) => document.querySelectorAll('.card').length === count, lamps);
    assertClean(seen);
  });

  it('says so when nothing fits', async (t) => {
    const seen = await look(t, '?text=lamp&f.category=nothing-of-the-kind');
    await seen.page.getByRole('heading', { name: 'No pin fits' }).waitFor();
    assert.match((await seen.page.getByRole('status').textContent())!, /^0 pins in/);
    await checkState(seen.page, 'empty');
    assertClean(seen);
  });

  it('sets k, ef and diversity by sliders', async (t) => {
    const seen = await look(t, '?text=lamp');
    const { page } = seen;
    await page.getByLabel('Pins (k)').fill('7');
    await page.waitForURL(/k=7/);
    await page.waitForFunction(() => document.querySelectorAll('.card').length === 7);
    await page.getByLabel('Search width (ef)').fill('6');
    await page.waitForURL(/ef=256/);
    await page.getByText('256', { exact: true }).last().waitFor();
    const before = await page.locator('.card a').evaluateAll((links) => links.map(({ id }) => id));
    await page.getByLabel('Diversity').fill('90');
    await page.waitForURL(/diversity=90/);
    await page.waitForFunction(
      (ids) => [...document.querySelectorAll('.card a')].some(({ id }) => !ids.includes(id)),
      before,
    );
    assertClean(seen);
  });

  it('makes a home feed from what is saved, in this browser', async (t) => {
    const seen = await look(t, '?text=terracotta+planter');
    const { page } = seen;
    const heart = page.getByRole('button', { name: /^Save / }).first();
    await heart.click();
    assert.equal(await heart.getAttribute('aria-pressed'), 'true');
    await page.getByRole('link', { name: 'Pins', exact: true }).click();
    await page.getByRole('heading', { level: 1, name: 'For you, from 1 saved pin' }).waitFor();
    const kept = await page.evaluate(() => localStorage.getItem('nearpin.saved.demo'));
    assert.match(kept!, /^\[\{"id":"pin-\d{6}","at":\d+\}\]$/);
    await page
      .getByRole('button', { name: /^Save / })
      .first()
      .click();
    await page.getByRole('button', { name: 'Make the feed anew from 2 saved pins' }).click();
    await page.getByRole('heading', { level: 1, name: 'For you, from 2 saved pins' }).waitFor();
    await checkState(page, 'for-you');
    assertClean(seen);
  });

  it('shows the stages that the server tells, a partial answer as one, and measures a large index on a click', async (t) => {
    const seen = await visit(browser, 'about:blank');
    t.after(() => seen.close());
    const { page } = seen;
    await page.route('**/search', async (route) => {
      const response = await route.fetch();
      const coverage = { shards: 4, answered: 3, degraded: 'deadline' };
      await route.fulfill({
        response,
        json: { ...(await response.json()), coverage },
        headers: {
          ...response.headers(),
          'server-timing': 'decode;dur=0.1, search;dur=2, filter;dur=0.5, total;dur=3',
        },
      });
    });
    await page.route('**/v1/indexes', async (route) => {
      const response = await route.fetch();
      const { indexes } = (await response.json()) as { indexes: { count?: number }[] };
      await route.fulfill({
        response,
        json: { indexes: indexes.map((index) => ({ ...index, count: 1e8 })) },
      });
    });
    await page.goto(`${server.url}/?text=lamp`);
    const stages = page.getByRole('list', { name: 'Stages on the server' });
    await stages.waitFor();
    assert.deepEqual(
      (await stages.getByRole('listitem').allTextContents()).map((text) => text.trim()),
      ['decode 0.10 ms', 'search 2.00 ms', 'of search, filter 0.50 ms'],
    );
    await page.getByText('3 of 4 shards, deadline').waitFor();
    await checkState(page, 'stages');
    await page.getByRole('button', { name: 'measure recall' }).click();
    await page.getByText('(24 of 24)').waitFor();
    assert.deepEqual(seen.errors, []);
  });

  it('shows the index, with charts that move', async (t) => {
    const seen = await look(t);
    const { page } = seen;
    await page.getByRole('link', { name: 'Index' }).click();
    await page.getByRole('heading', { level: 1, name: 'Index demo' }).waitFor();
    for (const heading of ['What it is', 'Shards', 'Generations', 'Surfaces'])
      await page.getByRole('heading', { level: 2, name: heading }).waitFor();
    await page.getByRole('cell', { name: 'served' }).waitFor();
    const line = page.locator('.chart').nth(1).locator('.line-2');
    await page.waitForFunction(() =>
      (document.querySelector('.line-2')?.getAttribute('d') ?? '').includes('L'),
    );
    const before = await line.getAttribute('d');
    await page.waitForFunction((was) => document.querySelector('.line-2')!.getAttribute('d') !== was, before);
    assert.equal(await page.locator('.chart').count(), 5);
    await checkState(page, 'index');
    assertClean(seen);
  });

  it('draws requests and latency from metrics, and says so where they are not to be seen', async (t) => {
    const seen = await look(t);
    const { page } = seen;
    let count = 100;
    await page.route('**/metrics', (route) => {
      count += 50;
      const labels = 'method="POST",route="/v1/indexes/:index/search",status="200"';
      const name = 'nearpin_http_request_duration_seconds';
      const lines = [
        `${name}_bucket{${labels},le="0.001"} ${count}`,
        `${name}_bucket{${labels},le="+Inf"} ${count}`,
        `${name}_count{${labels}} ${count}`,
        'process_resident_memory_bytes 157286400',
      ];
      return route.fulfill({ contentType: 'text/plain', body: lines.join('\n') });
    });
    await page.goto(`${server.url}/?view=index`);
    const chart = (title: string) =>
      page.locator('.chart', { has: page.getByRole('heading', { name: title }) });
    await chart('Requests')
      .getByText(/answered (2\d|1\d)/)
      .waitFor();
    await chart('Latency')
      .getByText(/p50 0\.50 ms/)
      .waitFor();
    await chart('Memory').getByText('process 150 MiB').waitFor();
    await page.unroute('**/metrics');
    await page.route('**/metrics', (route) =>
      route.fulfill({
        status: 403,
        json: { status: 403, code: 'forbidden', detail: 'The scope metrics is not granted' },
      }),
    );
    await page.reload();
    await page.getByText('not to be had here: The scope metrics is not granted').waitFor();
    assertClean(seen, [/^403 .*metrics$/]);
  });

  it('says what is wrong with an index that is not served', async (t) => {
    const seen = await look(t, '?index=broken');
    await seen.page.getByRole('heading', { level: 1, name: 'broken is not served' }).waitFor();
    await seen.page.getByText('the checksum does not match').waitFor();
    await checkState(seen.page, 'broken');
    assertClean(seen);
  });

  it('says that there is no such pin, and no such index', async (t) => {
    const seen = await look(t, '?pin=gone');
    const { page } = seen;
    await page.getByRole('alert').getByText('unknown_pin').waitFor();
    await checkState(page, 'unknown-pin');
    assertClean(seen, [/^404 .*(related|pins\/gone)$/]);
    await page.goto(`${server.url}/?index=gone`);
    await page.getByRole('heading', { level: 1, name: 'There is no index gone' }).waitFor();
  });

  it('says what the server refuses, where, and lets one try again', async (t) => {
    const seen = await look(t, '?text=lamp');
    const { page } = seen;
    await page.locator('.card').first().waitFor();
    await page.route('**/search', (route) =>
      route.fulfill({
        status: 400,
        contentType: 'application/problem+json',
        body: JSON.stringify({
          status: 400,
          code: 'bad_filter',
          detail: 'filter.price: must be a number',
          errors: [{ path: 'filter.price', message: 'must be a number' }],
        }),
      }),
    );
    await page.getByLabel('Pins (k)').fill('9');
    const alert = page.getByRole('alert');
    await alert.getByRole('heading', { name: 'That cannot be asked' }).waitFor();
    assert.match((await alert.textContent())!, /bad_filter.*filter\.price must be a number/);
    await checkState(page, 'refused');
    await page.unroute('**/search');
    await alert.getByRole('button', { name: 'Try again' }).click();
    await page.locator('.card').first().waitFor();
    assertClean(seen, [/^400 /]);
  });

  it('says when the server is away, and finds back to it', async (t) => {
    const seen = await look(t);
    const { page } = seen;
    await page.locator('.card').first().waitFor();
    await page.route('**/v1/**', (route) => route.abort('connectionrefused'));
    await page.getByRole('searchbox').fill('lamp');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name: 'No answer' }).waitFor();
    await checkState(page, 'away');
    await page.unroute('**/v1/**');
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.getByRole('heading', { level: 1, name: 'Pins for “lamp”' }).waitFor();
    assertClean(seen, [/\/v1\//]);
  });

  it('keeps showing what it has while a slow answer is on its way', async (t) => {
    const seen = await look(t, '?text=lamp');
    const { page } = seen;
    await page.locator('.card').first().waitFor();
    let release = () => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    await page.route('**/related', async (route) => {
      await released;
      await route.continue();
    });
    await page.locator('.card a').first().click();
    await page.getByText('Searching…').waitFor();
    assert.equal(await page.locator('.results').getAttribute('aria-busy'), 'true');
    assert.equal(await page.locator('.card').count(), 24);
    await checkState(page, 'slow');
    release();
    await page.getByRole('heading', { level: 1, name: /^Related to/ }).waitFor();
    assertClean(seen);
  });

  it('asks for a key where the server does, keeps it in the tab, and tells a wrong one from a forbidden one', async (t) => {
    const context = await browser.newContext();
    t.after(() => context.close());
    const page = await context.newPage();
    const problem = (status: number, code: string, detail: string) => ({
      status,
      contentType: 'application/problem+json',
      body: JSON.stringify({ status, code, detail }),
    });
    await page.route('**/v1/**', (route) => {
      const { authorization } = route.request().headers();
      if (authorization === 'Bearer good') return route.continue();
      return authorization === 'Bearer narrow'
        ? route.fulfill(problem(403, 'forbidden', 'The key may not read demo'))
        : route.fulfill(problem(401, 'unauthorized', 'A key is needed'));
    });
    await page.goto(`${server.url}/`);
    await page.getByRole('heading', { level: 1, name: 'This server asks for a key' }).waitFor();
    await checkState(page, 'key');
    const give = async (key: string) => {
      await page.getByLabel(/key$/i).fill(key);
      await page.keyboard.press('Enter');
    };
    await give('wrong');
    await page.getByRole('heading', { level: 1, name: 'The server does not take this key' }).waitFor();
    await give('narrow');
    await page.getByRole('heading', { level: 1, name: 'This key may not see that' }).waitFor();
    await checkState(page, 'forbidden');
    await give('good');
    await page.locator('.card').first().waitFor();
    await page.reload();
    await page.locator('.card').first().waitFor();
    const kept = await page.evaluate(() =>
      [JSON.stringify(localStorage), document.cookie, location.href].join(),
    );
    assert.doesNotMatch(kept, /good/);
    await page.getByRole('button', { name: 'Forget the key' }).click();
    await page.getByRole('heading', { level: 1, name: 'This server asks for a key' }).waitFor();
    assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  });

  it('is used with keys alone', async (t) => {
    const seen = await look(t);
    const { page } = seen;
    await page.locator('.card').first().waitFor();
    const focused = () => page.evaluate(() => document.activeElement?.textContent?.trim() ?? '');
    await page.keyboard.press('Tab');
    assert.equal(await focused(), 'Skip to the content');
    await page.keyboard.press('Enter');
    assert.equal(await page.evaluate(() => document.activeElement?.id), 'main');
    await page.keyboard.press('Shift+Tab');
    // Back to the box, in which nothing but the keyboard was
    await page.getByRole('searchbox').focus();
    await page.keyboard.type('brass lamp');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name: 'Pins for “brass lamp”' }).waitFor();
    assert.equal(await page.evaluate(() => document.activeElement?.id), 'heading');
    // From the heading on, the first pin is a few steps away
    for (let steps = 0; !(await page.evaluate(() => document.activeElement?.matches('.card a'))); steps++) {
      assert.ok(steps < 6, 'no pin within six steps');
      await page.keyboard.press('Tab');
    }
    const title = await focused();
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement!).outlineStyle);
    assert.equal(outline, 'solid');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name: `Related to ${title}` }).waitFor();
    await page.goBack();
    await page.getByRole('heading', { level: 1, name: 'Pins for “brass lamp”' }).waitFor();
    await page.getByLabel('Pins (k)').focus();
    await page.keyboard.press('ArrowLeft');
    await page.waitForURL(/k=23/);
    assertClean(seen);
  });

  for (const colorScheme of ['light', 'dark'] as const)
    it(`fits 360 px, ${colorScheme}, in every state`, async (t) => {
      const seen = await look(t, '', {
        viewport: { width: 360, height: 720 },
        colorScheme,
        hasTouch: true,
        isMobile: colorScheme === 'dark',
      });
      const { page } = seen;
      for (const [name, query, shown] of [
        ['home', '', '.card'],
        ['search', '?text=velvet+sofa&f.category=sofas&f.price=..2000', '.card'],
        ['related', '?pin=pin-000003', '.seed'],
        ['index', '?view=index', 'td b'],
      ] as const) {
        await page.goto(`${server.url}/${query}`);
        await page.locator(shown).first().waitFor();
        await assertNoSideways(page);
        // What the dark changes is looked at in a wide window
        if (colorScheme === 'light') await checkState(page, `narrow-light-${name}`);
        else await picture(page, `narrow-dark-${name}`);
      }
      await page.goto(`${server.url}/`);
      await page.getByRole('button', { name: 'Settings and filters' }).click();
      await page.getByLabel('Pins (k)').waitFor();
      await assertNoSideways(page);
      await picture(page, `narrow-${colorScheme}-settings`);
      assertClean(seen);
    });

  it('is accessible in the dark, too', async (t) => {
    const seen = await look(t, '', { colorScheme: 'dark', reducedMotion: 'reduce' });
    const { page } = seen;
    for (const [name, query, shown] of [
      ['home', '', '.card'],
      ['search', '?text=lamp', '.score'],
      ['related', '?pin=pin-000003', '.seed'],
      ['index', '?view=index', 'td b'],
      ['empty', '?f.category=none', '.empty'],
    ] as const) {
      await page.goto(`${server.url}/${query}`);
      await page.locator(shown).first().waitFor();
      await checkState(page, `dark-${name}`);
    }
    assertClean(seen);
  });

  it('shows what a pin says as text, and a drawn picture for one that cannot be loaded', async (t) => {
    const client = createClient({ url: server.url });
    const title = '<img src=x onerror=alert(1)> & "more"';
    const pin = { id: 'odd <b>/?#', text: 'wholly unlike anything', payload: { title, image: '/gone.png' } };
    await client.upsert('demo', { pins: [pin] });
    t.after(() => client.delete('demo', { ids: [pin.id] }));
    const seen = await look(t, '?text=wholly+unlike+anything&k=1');
    const { page } = seen;
    const card = page.locator('.card');
    await card.locator('svg.picture').waitFor();
    assert.equal(await card.locator('.title').textContent(), title);
    await card.locator('a').click();
    await page.getByRole('heading', { level: 1, name: `Related to ${title}` }).waitFor();
    assertClean(seen, [/^404 .*gone\.png$/]);
  });
});

/** The catalog with one more index, which failed to load. */
function withBroken(catalog: LoadedCatalog): Catalog {
  const error = new NearpinError('corrupt_file', 'shard-000.seg: the checksum does not match');
  const broken = { name: 'broken', status: 'failed', error } as const;
  return {
    ...catalog,
    list: () => [broken, ...catalog.list()],
    get: (name) => (name === 'broken' ? broken : catalog.get(name)),
  };
}
