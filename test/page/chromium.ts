/**
 * A Chromium for tests of the page, and watched visits to it: what the console says, what fails and what leaves the server
 * is noted, and axe-core looks at any state.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AxeResults } from 'axe-core';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';

const PATH = process.env.NEARPIN_TEST_CHROMIUM ?? '/usr/bin/chromium';
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
/** A test machine with other work on it is slow. */
const TIMEOUT_MS = 20_000;
/** What the browser itself says of an answer that is none: the page cannot keep it from that. */
const OF_THE_NETWORK = /^Failed to load resource:/;

/** Why there is no browser to test in; undefined when there is one. */
export const noChromium = existsSync(PATH) ? undefined : `there is no Chromium at ${PATH}`;

/** With a profile of its own, which is gone with it. */
export function openChromium(): Promise<Browser> {
  return chromium.launch({ executablePath: PATH, headless: true, args: ARGS });
}

export interface Visit {
  readonly page: Page;
  /** What the console called an error, and what was thrown and not caught. */
  readonly errors: string[];
  /** Requests that went elsewhere. */
  readonly external: string[];
  /** Requests without an answer, or with one of 400 and above. */
  readonly failed: string[];
  close(): Promise<void>;
}

/** Opens an address of the server in a window of its own, which nothing was kept in. */
export async function visit(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<Visit> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(TIMEOUT_MS);
  const errors: string[] = [];
  const external: string[] = [];
  const failed: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' && !OF_THE_NETWORK.test(message.text())) errors.push(message.text());
  });
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('request', (request) => {
    const address = request.url();
    if (!address.startsWith('data:') && new URL(address).origin !== new URL(url).origin)
      external.push(address);
  });
  page.on('requestfailed', (request) => {
    // What the page itself called off is no failure
    if (request.failure()?.errorText !== 'net::ERR_ABORTED') failed.push(request.url());
  });
  page.on('response', (response) => {
    if (response.status() >= 400) failed.push(`${response.status()} ${response.url()}`);
  });
  await page.goto(url);
  return { page, errors, external, failed, close: () => context.close() };
}

/** Asserts that axe-core finds nothing against the state that is shown, by any of its rules. */
export async function assertAccessible(page: Page): Promise<void> {
  if (!(await page.evaluate('"axe" in window'))) await page.evaluate(AXE);
  const { violations, passes } = (await page.evaluate('axe.run()')) as AxeResults;
  assert.ok(passes.length > 10, `axe looked at ${passes.length} rules`);
  assert.deepEqual(
    violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`),
    [],
  );
}

/** Asserts that the page is no wider than its window, and that nothing reaches out of it. */
export async function assertNoSideways(page: Page): Promise<void> {
  const [wide, window, outside] = await page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    const reaching = [...document.querySelectorAll('header *, main *')].filter(
      (element) =>
        element.getBoundingClientRect().right > clientWidth + 1 &&
        element.closest('.scroll, svg, .unseen') === null,
    );
    return [scrollWidth, clientWidth, reaching.map(({ outerHTML }) => outerHTML.slice(0, 80))] as const;
  });
  assert.ok(wide <= window, `${wide} px in a window of ${window}`);
  assert.deepEqual(outside, []);
}
