/** The pages for people in a browser: no errors, nothing asked of anyone else, and a form that sends. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, it } from 'node:test';
import { chromium } from 'playwright-core';
import { catalogOf, ready, serve } from '../support/http.ts';
import { memoryEngine } from '../support/memory-engine.ts';
import { ATTRIBUTES, somePins } from '../support/pins.ts';

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
  existsSync,
);
const PAGES = ['/docs', '/docs/errors'];

let server: Awaited<ReturnType<typeof serve>>;
before(async () => {
  const engine = memoryEngine({ dim: 4, attributes: ATTRIBUTES, pins: somePins(20, 4, 1) });
  server = await serve({ catalog: catalogOf([ready({ name: 'pins', engine, model: null })]) });
});
after(() => server.app.close());

it('in Chromium: no errors, nothing asked of anyone else, and a form that sends', async (t) => {
  if (CHROMIUM === undefined) return t.skip('there is no Chromium at its usual places');
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
  t.after(() => browser.close());
  const page = await browser.newPage({ viewport: { width: 360, height: 800 } });
  const said: string[] = [];
  page.on('console', (message) => {
    if (message.type() !== 'log') said.push(message.text());
  });
  page.on('pageerror', (error) => said.push(String(error)));
  page.on('request', (request) => {
    if (!request.url().startsWith(server.url) && !request.url().startsWith('data:')) said.push(request.url());
  });
  for (const path of PAGES) {
    await page.goto(server.url + path);
    const width = await page.evaluate('document.documentElement.scrollWidth');
    assert.ok((width as number) <= 360, `${path} is ${width} wide`);
  }
  await page.goto(`${server.url}/docs#query`);
  await page.fill('#find', 'query');
  assert.equal(await page.locator('nav li:visible').filter({ hasText: 'createIndex' }).count(), 0);
  const form = page.locator('form[aria-label="query"]');
  await page.locator('#query details', { has: form }).locator('summary').click();
  await form.locator('button').click();
  await form.locator('pre').waitFor();
  assert.match((await form.locator('output').textContent())!, /^200 in /);
  assert.match((await form.locator('pre').textContent())!, /"hits"/);
  assert.deepEqual(said, []);
});
