/** GET /: one page to look at an index with. Self-contained: its script and style are inline and named by hash. */
import { createHash } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { SCRIPT } from './script.ts';
import { STYLE } from './style.ts';

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>nearpin</title>
<link rel="icon" href="data:,">
<style>${STYLE}</style>
</head>
<body>
<a class="skip" href="#hits">Skip to the hits</a>
<header>
<div class="bar">
<h1><a href="#/">nearpin</a></h1>
<label class="label" for="index">Index</label>
<select id="index" hidden></select>
<form id="ask" role="search">
<label class="label" id="words-label" for="words">Search in words</label>
<input id="words" type="search" autocomplete="off" spellcheck="false" maxlength="1000">
<button type="submit">Search</button>
</form>
<button type="button" class="quiet" id="some">Some pins</button>
</div>
</header>
<main>
<h2 id="heading">Pins</h2>
<p id="facts"></p>
<p id="status" role="status" aria-live="polite"></p>
<div id="results">
<aside id="seed" aria-label="Seed pin"></aside>
<ul id="hits" aria-labelledby="heading"></ul>
</div>
<noscript><p>This page needs JavaScript; the API does not: see <a href="/openapi.json">/openapi.json</a>.</p></noscript>
</main>
<script>${SCRIPT}</script>
</body>
</html>
`;

const hash = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
// Tiles set their colour through the style object, which the policy does not concern.
const POLICY = [
  "default-src 'none'",
  `script-src ${hash(SCRIPT)}`,
  `style-src ${hash(STYLE)}`,
  "connect-src 'self'",
  "img-src 'self' data: https:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

export function pageRoute(app: FastifyInstance): void {
  app.get('/', { schema: { hide: true } }, (_request, reply) =>
    reply
      .header('content-type', 'text/html; charset=utf-8')
      .header('content-security-policy', POLICY)
      .header('x-content-type-options', 'nosniff')
      .header('referrer-policy', 'no-referrer')
      .send(PAGE),
  );
}
