/** Every code with its status, cause and remedy, and an answer with it: as a page, and as docs/errors.md. */
import { ERRORS, type ErrorCode } from '../../lib/errors.ts';
import type { OpenApi, OpenApiOperation } from '../openapi.ts';
import { ERROR_GUIDE, type ErrorHelp } from './error-guide.ts';
import { codeBlock, escapeHtml, inline, pageOf } from './html.ts';

const CODES = Object.keys(ERRORS) as ErrorCode[];
/** Of requests that reach no operation. */
const BEFORE_ROUTES: readonly ErrorCode[] = ['unknown_route', 'method_not_allowed', 'misdirected_request'];
/** Beside codes of what it asks for. */
const OF_GRAPHQL: readonly ErrorCode[] = ['unknown_operation'];

const INTRODUCTION =
  'Every refusal has a `code` that never changes its meaning: programs switch on it, people read `detail`. Over HTTP it is a ' +
  'problem (RFC 9457) in JSON or msgpack, whose `type` leads to the code below; the command line prints it behind its message, and the ' +
  'library throws it as `error.code`. For what is wrong with a request, `errors` has the path of each bad value. 429 and 503 come with ' +
  '`Retry-After`: the same request may succeed then. After any other refusal nothing has changed, and the same request is refused again, ' +
  'but for faults (500).';

const operationsOf = (api: OpenApi): OpenApiOperation[] =>
  Object.values(api.paths).flatMap((methods) => Object.values(methods));

/** Where a code is met: operations by their ids. */
function metAt(code: ErrorCode, operations: readonly OpenApiOperation[]): string[] {
  return operations.filter((each) => each['x-error-codes'].includes(code)).map((each) => each.operationId);
}

function where(
  code: ErrorCode,
  operations: readonly OpenApiOperation[],
  show: (id: string) => string,
): string {
  if (BEFORE_ROUTES.includes(code)) return 'At any address.';
  if (OF_GRAPHQL.includes(code)) return 'GraphQL.';
  const met = metAt(code, operations);
  if (met.length === 0) return 'On the command line only.';
  return met.length === operations.length ? 'Any operation.' : `${met.map(show).join(', ')}.`;
}

function exampleOf({ example: { request } }: ErrorHelp): string | undefined {
  if (request === undefined) return undefined;
  const { method = 'POST', path, headers = {}, body } = request;
  const lines = [`${method} ${path}`, ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`)];
  if (body === undefined || headers['content-type'] === 'application/msgpack') return lines.join('\n');
  return [...lines, '', typeof body === 'string' ? body : JSON.stringify(body)].join('\n');
}

export function errorsPage(api: OpenApi): string {
  const operations = operationsOf(api);
  const sections = CODES.map((code) => {
    const { status, title } = ERRORS[code];
    const help = ERROR_GUIDE[code];
    const { detail } = help.example;
    const request = exampleOf(help);
    return `<section id="${code}" class="entry">
<h2><code>${code}</code> <span class="status">${status}</span></h2>
<p>${escapeHtml(title)}.</p>
<dl>
<dt>Cause</dt><dd>${inline(help.cause)}</dd>
<dt>Remedy</dt><dd>${inline(help.remedy)}</dd>
<dt>Where</dt><dd>${where(code, operations, (id) => `<a href="/docs#${id}">${id}</a>`)}</dd>
${detail === undefined ? '' : `<dt>Example</dt><dd><q>${escapeHtml(detail)}</q></dd>`}
</dl>
${request === undefined ? '' : codeBlock(request)}
</section>`;
  });
  const contents = `<ul>${CODES.map((code) => `<li><a href="#${code}"><code>${code}</code></a></li>`).join('')}</ul>`;
  return pageOf(
    'Errors of nearpin',
    contents,
    `<h1>Errors</h1>\n<p>${inline(INTRODUCTION)}</p>\n${sections.join('\n')}`,
  );
}

/** docs/errors.md. */
export function errorsMarkdown(api: OpenApi): string {
  const operations = operationsOf(api);
  const sections = CODES.map((code) => {
    const { status, title } = ERRORS[code];
    const help = ERROR_GUIDE[code];
    const { detail } = help.example;
    const request = exampleOf(help);
    const lines = [
      `## ${code}`,
      '',
      `${status}. ${title}.`,
      '',
      `- **Cause**: ${help.cause}`,
      `- **Remedy**: ${help.remedy}`,
      `- **Where**: ${where(code, operations, (id) => `\`${id}\``)}`,
    ];
    if (detail !== undefined) lines.push(`- **Example**: “${detail}”`);
    if (request !== undefined) lines.push('', '```', request, '```');
    return lines.join('\n');
  });
  const head = [
    '# Errors',
    '',
    '<!-- Written by `npm run docs` from src/lib/errors.ts and src/server/docs/error-guide.ts; a test compares. -->',
    '',
    INTRODUCTION,
  ];
  return `${[head.join('\n'), ...sections].join('\n\n')}\n`;
}
