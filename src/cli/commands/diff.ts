/** `nearpin diff`: the same requests to REST and to GraphQL, or to two servers, and where the answers differ. */
import { Command } from 'commander';
import { NearpinError } from '../../lib/errors.ts';
import { readChunks } from '../../storage/byte-source.ts';
import { readJsonLines } from '../../storage/formats/json-lines.ts';
import { type Difference, differences } from '../diff/compare.ts';
import { answerOf, type GraphqlAnswer, type RestRequest, TWINS, twinOf } from '../diff/twin.ts';
import { jsonOption, keyOption, option } from '../options.ts';
import { type Terminal, withCommas } from '../terminal.ts';

interface DiffOptions {
  readonly url: string;
  readonly other?: string;
  readonly otherApi: 'graphql' | 'rest';
  readonly key?: string;
  readonly tolerance: number;
  readonly json: boolean;
}

/** Asks one side; resolves to an answer or a problem, in REST's shape. */
type Ask = (request: RestRequest) => Promise<unknown>;

const TOLERANCE = 1e-6;
/** A write between two answers makes them differ once, so what differs is asked again. */
const ATTEMPTS = 2;
const TIMEOUT_MS = 60_000;
/** Differences that are printed in words, of one request. */
const PRINTED_MAX = 3;

export function diffCommand(terminal: Terminal): Command {
  return new Command('diff')
    .argument(
      '<file>',
      'requests, one a line: {"op": "related", "index": "pins", "request": {…}}; - is stdin',
    )
    .addOption(option('--url <url>', 'the server; asked over REST').makeOptionMandatory())
    .addOption(option('--other <url>', 'the server to compare with (default: the same)'))
    .addOption(option('--other-api <name>', 'how to ask it').choices(['graphql', 'rest']).default('graphql'))
    .addOption(keyOption())
    .addOption(option('--tolerance <n>', 'how far numbers may be apart').argParser(Number).default(TOLERANCE))
    .addOption(jsonOption())
    .action((file: string, options: DiffOptions) => diff(file, options, terminal));
}

async function diff(file: string, options: DiffOptions, terminal: Terminal): Promise<void> {
  const { url, other = url, otherApi, key, tolerance } = options;
  const left = restAt(url, key);
  const right = otherApi === 'rest' ? restAt(other, key) : graphqlAt(other, key);
  const found: (RestRequest & { line: number; differences: Difference[] })[] = [];
  let requests = 0;
  const chunks = file === '-' ? process.stdin : readChunks(file);
  for await (const row of readJsonLines(chunks, file, undefined, 'bad_file')) {
    if ('error' in row) throw row.error;
    const request = checkRequest(row.value, `${file}:${row.row}`);
    requests++;
    terminal.progress('requests', requests);
    const differing = await compareTwice(left, right, request, tolerance);
    if (differing.length === 0) continue;
    found.push({ ...request, line: row.row, differences: differing });
    if (!options.json) tell(request, row.row, differing, terminal);
  }
  terminal.clear();
  if (requests === 0) throw new NearpinError('bad_file', `${file} holds no requests`);
  const same = requests - found.length;
  if (options.json) terminal.print(JSON.stringify({ requests, same, different: found }));
  else
    terminal.print(
      `${withCommas(requests)} requests: ${withCommas(same)} the same, ${withCommas(found.length)} differ`,
    );
  if (found.length > 0) process.exitCode = 1;
}

async function compareTwice(
  left: Ask,
  right: Ask,
  request: RestRequest,
  tolerance: number,
): Promise<Difference[]> {
  let found: Difference[] = [];
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const answers = await Promise.all([left(request), right(request)]);
    found = differences(answers[0], answers[1], tolerance);
    if (found.length === 0) break;
  }
  return found;
}

function checkRequest(value: unknown, path: string): RestRequest {
  const { op, index, request } = Object(value) as Partial<RestRequest>;
  const isKnown = (TWINS as readonly unknown[]).includes(op);
  if (isKnown && typeof index === 'string' && typeof request === 'object' && request !== null)
    return { op: op!, index, request };
  throw new NearpinError(
    'bad_file',
    `${path}: needs an op (${TWINS.join(', ')}), the name of an index, and a request`,
  );
}

function restAt(url: string, key: string | undefined): Ask {
  return ({ op, index, request }) => {
    const at = `${base(url)}/v1/indexes/${encodeURIComponent(index)}`;
    if (op !== 'pin') return send(`${at}/${op}`, key, request);
    const include = Array.isArray(request.include) ? `?include=${request.include.join(',')}` : '';
    return send(`${at}/pins/${encodeURIComponent(String(request.id))}${include}`, key);
  };
}

function graphqlAt(url: string, key: string | undefined): Ask {
  return async (request) => {
    const answer = await send(`${base(url)}/graphql`, key, twinOf(request));
    // Refused before GraphQL: a problem, as REST has it
    return 'data' in answer || 'errors' in answer ? answerOf(request, answer as GraphqlAnswer) : answer;
  };
}

const base = (url: string): string => url.replace(/\/+$/, '');

async function send(url: string, key: string | undefined, body?: object): Promise<object> {
  const response = await fetch(url, {
    method: body === undefined ? 'GET' : 'POST',
    headers: {
      accept: 'application/json',
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(key !== undefined && { authorization: `Bearer ${key}` }),
    },
    signal: AbortSignal.timeout(TIMEOUT_MS),
    ...(body !== undefined && { body: JSON.stringify(body) }),
  }).catch((cause: Error) => {
    throw new NearpinError('io_error', `no answer from ${url}: ${cause.message}`, [], { cause });
  });
  const text = await response.text();
  try {
    return JSON.parse(text) as object;
  } catch (cause) {
    throw new NearpinError('io_error', `${url} answered ${response.status} and no JSON`, [], { cause });
  }
}

function tell(request: RestRequest, line: number, found: readonly Difference[], terminal: Terminal): void {
  const shown = (value: unknown) => (value === undefined ? 'nothing' : JSON.stringify(value));
  for (const { path, left, right } of found.slice(0, PRINTED_MAX))
    terminal.print(`${line} ${request.op} ${request.index} ${path}: ${shown(left)}, ${shown(right)}`);
  const more = found.length - PRINTED_MAX;
  if (more > 0) terminal.print(`${line} ${request.op} ${request.index}: and ${more} more`);
}
