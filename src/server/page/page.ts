/**
 * GET /: the page to look at indexes with, and its files. Its own policy lets it run nothing but those files and talk to
 * nobody but this server; images may come from where pins say they are.
 */
import { createHash } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { NearpinError } from '../../lib/errors.ts';
import { ICON, type PageAssets, pageAssets, ROOT_MODULE, STYLE } from './assets.ts';

const FOR_EVER = 'public, max-age=31536000, immutable';

export function pageRoutes(app: FastifyInstance): void {
  const assets = pageAssets();
  const importMap = importMapOf(assets);
  const html = Buffer.from(htmlOf(assets, importMap));
  const htmlTag = `"${sha256(html, 'hex').slice(0, 16)}"`;
  const policy = policyFor(importMap);

  app.get('/', { config: { scope: 'open' }, schema: { hide: true } }, (request, reply) => {
    reply
      .header('content-security-policy', policy)
      .header('referrer-policy', 'no-referrer')
      .header('cache-control', 'no-cache');
    return sendFile(request, reply, 'text/html; charset=utf-8', html, htmlTag);
  });

  app.get<{ Params: { version: string; '*': string } }>(
    '/assets/:version/*',
    { config: { scope: 'open' }, schema: { hide: true } },
    (request, reply) => {
      const { version, '*': path } = request.params;
      const file = version === assets.version ? assets.files.get(path) : undefined;
      if (file === undefined) throw new NearpinError('unknown_route', `There is no file ${request.url}`);
      reply.header('cache-control', FOR_EVER);
      return sendFile(request, reply, file.type, file.bytes, `"${version}"`);
    },
  );
}

/** Sends a file, or nothing to who has it. */
function sendFile(request: FastifyRequest, reply: FastifyReply, type: string, bytes: Buffer, tag: string) {
  reply.header('etag', tag).header('x-content-type-options', 'nosniff');
  return request.headers['if-none-match'] === tag
    ? reply.code(304).send()
    : reply.header('content-type', type).send(bytes);
}

function importMapOf({ version, packages }: PageAssets): string {
  const addresses = [...packages].map(([name, path]) => [name, `./assets/${version}/${path}`]);
  return JSON.stringify({ imports: Object.fromEntries(addresses) });
}

function htmlOf({ version, modules }: PageAssets, importMap: string): string {
  const at = (path: string) => `assets/${version}/${path}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>nearpin</title>
<link rel="icon" href="${at(ICON)}">
<link rel="stylesheet" href="${at(STYLE)}">
<script type="importmap">${importMap}</script>
${modules.map((path) => `<link rel="modulepreload" href="${at(path)}">`).join('\n')}
<script type="module" src="${at(ROOT_MODULE)}"></script>
</head>
<body>
<div id="page"></div>
<noscript><p>This page needs JavaScript; the API does not: see <a href="openapi.json">openapi.json</a>.</p></noscript>
</body>
</html>
`;
}

/** The import map is the only script within the document; its hash lets it in. */
function policyFor(importMap: string): string {
  return [
    "default-src 'none'",
    `script-src 'self' 'sha256-${sha256(importMap, 'base64')}'`,
    "style-src 'self'",
    "connect-src 'self'",
    "img-src 'self' data: https:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; ');
}

function sha256(text: string | Buffer, encoding: 'hex' | 'base64'): string {
  return createHash('sha256').update(text).digest(encoding);
}
