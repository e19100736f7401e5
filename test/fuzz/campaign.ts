/**
 * A campaign: random and mutated requests against a server in a process of its own, with a live index that is written to
 * meanwhile. It holds every answer against what is documented: a status below 500, a problem of the table with a code that
 * OpenAPI shows for the operation, an answer that fits its schema; and the server, in the end, against what it held before.
 *
 * Indexes grow by what is written, so the last part of a campaign only reads: memory that grows there is a leak.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Unpackr } from 'msgpackr';
import { Compile } from 'typebox/compile';
import { ERRORS, type ErrorCode } from '../../src/lib/errors.ts';
import { Prng } from '../../src/lib/prng.ts';
import type { OpenApi } from '../../src/server/openapi.ts';
import { SCHEMAS } from '../../src/server/schemas.ts';
import { Connection, type RawAnswer } from './connection.ts';
import { type FuzzRequest, type FuzzWorld, RequestMaker } from './requests.ts';
import type { ChildMessage, ServerState } from './server-child.ts';

export interface CampaignOptions {
  readonly requests: number;
  readonly seed: number;
  readonly connections?: number;
  /** Only this request of it. */
  readonly only?: number;
  readonly onProgress?: (done: number) => void;
}

export interface Finding {
  readonly number: number;
  readonly kind: string;
  readonly what: string;
  /** The beginning of the request. */
  readonly request: string;
}

export interface Report {
  readonly requests: number;
  readonly answers: number;
  readonly seconds: number;
  /** Answers by status, and of 400 and above by code. */
  readonly byStatus: Readonly<Record<string, number>>;
  readonly byCode: Readonly<Record<string, number>>;
  readonly byKind: Readonly<Record<string, number>>;
  /** Answers by operation: those with what was asked for, and refusals. */
  readonly byOperation: Readonly<Record<string, { readonly answered: number; readonly refused: number }>>;
  readonly findings: readonly Finding[];
  /** What the server held: warm, after the part that writes, and after the one that reads. None of a single request. */
  readonly states: readonly ServerState[];
}

const DIM = 8;
const PINS = 400;
const ANSWER_MS = 20_000;
/** For an answer to what is no whole request; there may be none. */
const SCRAP_MS = 40;
const PIECE_MS = 3;
const SHOWN_BYTES = 1500;
const CLOSE_MS = 10_000;
/** Descriptors and bytes that may come and go: of generations that were written meanwhile, of code that ran. */
const DESCRIPTORS_MORE = 10;
const HEAP_BYTES_MORE = 24 * 1024 * 1024;
/** Resident bytes that may come while nothing is written. */
const RESIDENT_BYTES_MORE = 16 * 1024 * 1024;
/** The last part of a campaign. */
const READING_SHARE = 0.25;

const unpackr = new Unpackr({ useRecords: false });

export async function runCampaign(options: CampaignOptions): Promise<Report> {
  const dir = await mkdtemp(join(tmpdir(), 'nearpin-fuzz-'));
  try {
    await mkdir(join(dir, 'indexes'));
    return await new Campaign(options).run(join(dir, 'indexes'));
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

class Campaign {
  readonly #options: CampaignOptions;
  readonly #findings: Finding[] = [];
  readonly #byStatus: Record<string, number> = {};
  readonly #byCode: Record<string, number> = {};
  readonly #byKind: Record<string, number> = {};
  readonly #byOperation: Record<string, { answered: number; refused: number }> = {};
  readonly #validators = new Map<
    string,
    { Check(value: unknown): boolean; Errors(value: unknown): unknown[] }
  >();
  #answers = 0;
  #exit: string | undefined;
  /** What is being sent, by connection: a fault may be of any. */
  readonly #sending = new Map<number, number>();

  constructor(options: CampaignOptions) {
    this.#options = options;
  }

  async run(indexesDir: string): Promise<Report> {
    const { requests, seed, connections = 8, only, onProgress } = this.#options;
    const child = fork(fileURLToPath(new URL('./server-child.js', import.meta.url)), [indexesDir], {
      // Garbage that may stay for long, and free memory of each thread, would hide what leaks
      execArgv: ['--expose-gc', '--max-semi-space-size=1'],
      env: { ...process.env, MALLOC_ARENA_MAX: '2' },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    child.on('message', (message: ChildMessage) => {
      if ('fault' in message)
        this.#find(-1, `fault during ${[...this.#sending.values()]}`, message.fault, '');
    });
    child.once('exit', (code, signal) => {
      this.#exit = `the server ended: ${signal ?? code}`;
    });
    try {
      const { port, keys } = (await this.#message(child, 'port')) as {
        port: number;
        keys: Record<string, string>;
      };
      const url = `http://127.0.0.1:${port}`;
      const world = await makeWorld(url, keys);
      const firstRead = Math.ceil(requests * (1 - READING_SHARE));
      const [any, reading] = [new RequestMaker(world, seed), new RequestMaker(readingOf(world), seed)];
      const make = (number: number) => (number < firstRead ? any : reading).make(number);
      const startedAt = performance.now();
      const states: ServerState[] = [];
      if (only !== undefined) {
        await this.#send(port, 0, [only], make);
      } else {
        // What is made once (code, caches, pools) is there before it is looked at
        const warm = Math.floor(Math.max(requests / 10, Math.min(1000, requests / 2)));
        let from = 0;
        for (const to of [warm, firstRead, requests]) {
          await this.#inParallel(port, connections, range(from, to), make, onProgress);
          if (this.#exit === undefined) await clean(url, keys.all!);
          states.push(await this.#state(child));
          from = to;
        }
      }
      const seconds = (performance.now() - startedAt) / 1000;
      if (this.#exit === undefined) await this.#stillAnswers(url, keys.all!);
      if (states.length > 0) this.#compare(states);
      await this.#close(child);
      return {
        requests: only === undefined ? requests : 1,
        answers: this.#answers,
        seconds,
        byStatus: this.#byStatus,
        byCode: this.#byCode,
        byKind: this.#byKind,
        byOperation: this.#byOperation,
        findings: this.#findings,
        states,
      };
    } finally {
      if (child.exitCode === null) child.kill('SIGKILL');
    }
  }

  async #inParallel(
    port: number,
    connections: number,
    numbers: Iterable<number>,
    make: (number: number) => FuzzRequest,
    onProgress?: (done: number) => void,
  ): Promise<void> {
    const shared = numbers[Symbol.iterator]();
    const each: Iterable<number> = { [Symbol.iterator]: () => ({ next: () => shared.next() }) };
    await Promise.all(
      Array.from({ length: connections }, (_, i) => this.#send(port, i, each, make, onProgress)),
    );
  }

  /** Sends requests one after the other, on one connection as long as the server keeps it. */
  async #send(
    port: number,
    place: number,
    numbers: Iterable<number>,
    make: (number: number) => FuzzRequest,
    onProgress?: (done: number) => void,
  ): Promise<void> {
    let connection: Connection | undefined;
    for (const number of numbers) {
      if (this.#exit !== undefined) break;
      onProgress?.(number);
      const request = make(number);
      this.#byKind[request.kind] = (this.#byKind[request.kind] ?? 0) + 1;
      this.#sending.set(place, number);
      try {
        if (connection === undefined || connection.isClosed) connection = await Connection.open(port);
        if (!(await this.#exchange(connection, request, number))) {
          connection.close();
          connection = undefined;
        }
      } catch (error) {
        this.#find(number, request.kind, String(error), showOf(request));
        connection?.close();
        connection = undefined;
      }
    }
    this.#sending.delete(place);
    connection?.close();
  }

  /** Whether the connection can be used again. */
  async #exchange(connection: Connection, request: FuzzRequest, number: number): Promise<boolean> {
    for (const [i, piece] of request.pieces.entries()) {
      if (i > 0) await new Promise((resolve) => setTimeout(resolve, PIECE_MS));
      connection.write(piece);
    }
    const { answers: expected } = request;
    const isHead = request.method === 'HEAD';
    const { answers, isClosed, isLate, rest } = await connection.read(
      expected ?? 1,
      isHead,
      expected === undefined ? SCRAP_MS : ANSWER_MS,
    );
    for (const answer of answers) {
      const wrong = this.#faultOf(answer, request, isHead);
      if (wrong !== undefined) this.#find(number, request.kind, wrong, showOf(request));
    }
    const said = answers.at(-1)?.headers.get('connection');
    if (expected !== undefined && answers.length < expected) {
      if (isLate) this.#find(number, request.kind, 'no answer', showOf(request));
      else if (said !== 'close')
        this.#find(number, request.kind, `closed after ${answers.length} answers`, showOf(request));
    }
    if (rest.length > 0 && expected !== undefined)
      this.#find(
        number,
        request.kind,
        `more than was asked for: ${rest.toString('latin1', 0, 80)}`,
        showOf(request),
      );
    return expected !== undefined && !isClosed && !isLate && said !== 'close' && rest.length === 0;
  }

  /** What is wrong with an answer. */
  #faultOf({ status, headers, body }: RawAnswer, request: FuzzRequest, isHead: boolean): string | undefined {
    this.#answers++;
    this.#byStatus[status] = (this.#byStatus[status] ?? 0) + 1;
    const type = headers.get('content-type') ?? '';
    const { operation } = request;
    if (operation !== undefined) {
      this.#byOperation[operation.operationId] ??= { answered: 0, refused: 0 };
      this.#byOperation[operation.operationId]![status === 200 ? 'answered' : 'refused']++;
    }
    if (status >= 500) return `a fault: ${status} ${body.toString('utf8', 0, 300)}`;
    // A challenge of Node's parser has no body of ours, nor have answers to HEAD
    if (isHead || body.length === 0) return undefined;
    if (headers.has('content-encoding')) return undefined;
    let value: unknown;
    if (type.includes('json')) value = JSON.parse(body.toString('utf8'));
    else if (type.includes('msgpack')) value = unpackr.unpack(body);
    else return status >= 400 ? `status ${status} of type ${type}` : undefined;

    const { errors } = value as { errors?: readonly { readonly extensions?: { readonly code?: string } }[] };
    if (request.kind === 'graphql' && errors?.[0]?.extensions !== undefined) {
      for (const { extensions: { code = '' } = {} } of errors) {
        this.#byCode[code] = (this.#byCode[code] ?? 0) + 1;
        const known = ERRORS[code as ErrorCode] as { readonly status: number } | undefined;
        if (known === undefined || known.status >= 500)
          return `a fault: ${status} ${JSON.stringify(value).slice(0, 300)}`;
      }
      return undefined;
    }
    if (status >= 400) {
      const { code, status: told } = value as { code: ErrorCode; status: number };
      this.#byCode[code] = (this.#byCode[code] ?? 0) + 1;
      const shown = `${status} ${JSON.stringify(value).slice(0, 300)}`;
      if (!(code in ERRORS) || told !== status || ERRORS[code].status !== status)
        return `no problem: ${shown}`;
      if (operation !== undefined && !operation['x-error-codes'].includes(code))
        return `${operation.operationId} does not document ${code}: ${shown}`;
      return undefined;
    }
    if (operation === undefined || status !== 200) return undefined;
    const { $ref } = operation.responses['200']!.content['application/json']!.schema;
    const name = $ref!.split('/').at(-1)!;
    if (type.includes('msgpack')) return undefined;
    let validator = this.#validators.get(name);
    if (validator === undefined) {
      validator = Compile(SCHEMAS, { $ref: name });
      this.#validators.set(name, validator);
    }
    return validator.Check(value)
      ? undefined
      : `the answer does not fit ${name}: ${JSON.stringify(validator.Errors(value)[0])}`;
  }

  async #stillAnswers(url: string, key: string): Promise<void> {
    const answer = await call(`${url}/v1/indexes/pins/query`, key, 'POST', {
      vector: Array(DIM).fill(1),
      k: 5,
    });
    if (answer.status !== 200) this.#find(-1, 'end', `a plain query is answered with ${answer.status}`, '');
  }

  #compare(states: readonly ServerState[]): void {
    const [before, written, after] = states as [ServerState, ServerState, ServerState];
    const leak = (what: string) => this.#find(-1, 'leak', what, '');
    if (after.connections > before.connections) leak(`${after.connections} connections`);
    if (after.descriptors > before.descriptors + DESCRIPTORS_MORE)
      leak(`${after.descriptors} descriptors after ${before.descriptors}`);
    for (const [name, count] of Object.entries(after.resources))
      if (name !== 'Timeout' && count > (before.resources[name] ?? 0) + 1)
        leak(`${count} of ${name} after ${before.resources[name] ?? 0}`);
    if (after.heapBytes > before.heapBytes + HEAP_BYTES_MORE)
      leak(`${after.heapBytes} bytes of heap after ${before.heapBytes}`);
    if (after.anonymousBytes > written.anonymousBytes + RESIDENT_BYTES_MORE)
      leak(`${after.anonymousBytes} bytes resident after ${written.anonymousBytes}, and nothing was written`);
  }

  #find(number: number, kind: string, what: string, request: string): void {
    this.#findings.push({ number, kind, what, request });
  }

  #message(child: ChildProcess, key: 'port' | 'state'): Promise<ChildMessage> {
    return new Promise((resolve, reject) => {
      const heard = (message: ChildMessage) => {
        if (!(key in message)) return;
        child.off('message', heard);
        resolve(message);
      };
      child.on('message', heard);
      child.once('exit', () => reject(new Error(this.#exit)));
    });
  }

  async #state(child: ChildProcess): Promise<ServerState> {
    // Connections that were dropped are noticed in the next turns
    await new Promise((resolve) => setTimeout(resolve, 300));
    const state = this.#message(child, 'state');
    child.send('state');
    return ((await state) as { state: ServerState }).state;
  }

  async #close(child: ChildProcess): Promise<void> {
    const exited = once(child, 'exit');
    child.send('close');
    const timer = setTimeout(() => {
      this.#find(-1, 'end', 'the process does not end when its server is closed', '');
      child.kill('SIGKILL');
    }, CLOSE_MS);
    const [code] = await exited;
    clearTimeout(timer);
    if (code !== 0) this.#find(-1, 'end', `the process ended with ${code}`, '');
  }
}

function* range(from: number, to: number): Iterable<number> {
  for (let i = from; i < to; i++) yield i;
}

const showOf = ({ pieces }: FuzzRequest): string =>
  JSON.stringify(Buffer.concat([...pieces]).toString('latin1', 0, SHOWN_BYTES));

async function call(url: string, key: string, method: string, body?: object): Promise<Response> {
  return fetch(url, {
    method,
    headers: {
      connection: 'close',
      authorization: key,
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
}

/** Makes the index that is asked, and reads what there is to ask. */
async function makeWorld(url: string, keys: Readonly<Record<string, string>>): Promise<FuzzWorld> {
  const key = keys.all!;
  const api = (await (await call(`${url}/openapi.json`, key, 'GET')).json()) as OpenApi;
  const made = await call(`${url}/v1/indexes/pins`, key, 'PUT', {
    dim: DIM,
    model: `hashed-ngrams-${DIM}`,
    attributes: { category: 'keyword', price: 'number', tags: 'keyword[]', fresh: 'bool', added: 'time' },
  });
  if (made.status !== 200) throw new Error(await made.text());
  const prng = new Prng(1);
  const pins = Array.from({ length: PINS }, (_, i) => ({
    id: `p${i}`,
    vector: Array.from({ length: DIM }, () => prng.normal()),
    attributes: { category: prng.pick(['lamps', 'chairs', 'shoes']), price: i, added: 1_700_000_000_000 + i },
    payload: { title: `${prng.pick(['Red', 'Old', 'Sage'])} ${prng.pick(['lamp', 'chair'])} ${i}` },
  }));
  const written = await call(`${url}/v1/indexes/pins/pins`, key, 'PUT', { pins });
  if (written.status !== 200) throw new Error(await written.text());
  return { api, schemas: api.components.schemas, dim: DIM, pins: PINS, keys };
}

/** The same with what changes nothing: the keys of the other requests have no other scope. */
function readingOf(world: FuzzWorld): FuzzWorld {
  const paths = Object.fromEntries(
    Object.entries(world.api.paths).map(([path, methods]) => [
      path,
      Object.fromEntries(
        Object.entries(methods).filter(([, operation]) => ['read', 'open'].includes(operation['x-scope'])),
      ),
    ]),
  );
  return { ...world, api: { ...world.api, paths } };
}

/** Takes away what the campaign has made beside the index. */
async function clean(url: string, key: string): Promise<void> {
  for (let i = 0; i < 3; i++) await call(`${url}/v1/aliases/alias-${i}`, key, 'DELETE');
  for (let i = 0; i < 3; i++) await call(`${url}/v1/indexes/scratch-${i}`, key, 'DELETE');
}
