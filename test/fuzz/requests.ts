/** One request of a campaign, as bytes: which it is follows from the seed and its number alone. */
import { Prng } from '../../src/lib/prng.ts';
import type { OpenApi, OpenApiOperation } from '../../src/server/openapi.ts';
import { Entries, toJson, toMsgpack, ValueMaker, type World } from './values.ts';

export interface FuzzWorld extends World {
  readonly api: OpenApi;
  /** Authorization headers, by the scope that they have. */
  readonly keys: Readonly<Record<string, string>>;
}

export interface FuzzRequest {
  readonly kind: string;
  /** What is written, piece by piece: with a pause between the pieces. */
  readonly pieces: readonly Buffer[];
  /** Answers that must come; undefined where none need to, for it is no whole request. */
  readonly answers?: number;
  /** The operation, where the request is certain to reach it. */
  readonly operation?: OpenApiOperation;
  readonly method: string;
}

interface Target {
  readonly method: string;
  readonly path: string;
  readonly operation: OpenApiOperation;
}

const JSON_TYPE = 'application/json';
const MSGPACK_TYPE = 'application/msgpack';
/** Of a hundred or so. What is dear or takes the index away comes seldom. */
const WEIGHTS: Readonly<Record<string, number>> = {
  query: 20,
  related: 16,
  search: 14,
  homefeed: 8,
  notifications: 4,
  batch: 8,
  upsertPins: 8,
  deletePins: 5,
  recall: 0.2,
  checkpoint: 0.05,
  publishGeneration: 0.5,
  createIndex: 0.4,
  removeIndex: 0.4,
};
const ODD_PATHS = [
  '%',
  '%zz',
  '%00',
  '%2e%2e%2f%2e%2e',
  '..',
  '%C0%AF',
  '%F0%9F%92%A5',
  'a%2Fb',
  '__proto__',
  'constructor',
  'x'.repeat(200),
  'x'.repeat(5000),
  '*',
  ';a=b',
  '%25',
  '',
];
const METHODS = [
  'GET',
  'POST',
  'PUT',
  'DELETE',
  'PATCH',
  'HEAD',
  'OPTIONS',
  'TRACE',
  'PROPFIND',
  'QUERY',
  'BREW',
  'get',
  'CONNECT',
];
const HEADER_LINES = [
  'accept: application/msgpack;q=0.1, application/json;q=0.9',
  'accept: text/html',
  'accept: application/*;q=0',
  'accept: ;;;,,q=',
  `accept: ${'a/b,'.repeat(500)}`,
  'content-type: text/plain',
  'content-type: application/json; charset=utf-16',
  'content-type: application/json;;;',
  'content-type: application/x-msgpack',
  'content-type: multipart/form-data; boundary=x',
  'content-type:',
  'content-encoding: gzip',
  'content-encoding: identity',
  'content-length: 0',
  'content-length: 99999999999999999999',
  'content-length: -1',
  'content-length: 1e3',
  'transfer-encoding: chunked',
  'transfer-encoding: gzip, chunked',
  'x-request-id: a b',
  `x-request-id: ${'r'.repeat(200)}`,
  'x-request-id: ok-1',
  'x-deadline-ms: 60000',
  'x-deadline-ms: 0',
  'x-deadline-ms: soon',
  'authorization: Bearer',
  'authorization: Bearer eyJhbGciOiJub25lIn0.e30.',
  'authorization: Basic YTpi',
  `authorization: Bearer ${'k'.repeat(9000)}`,
  'expect: 100-continue',
  'expect: the-unexpected',
  'connection: upgrade',
  'upgrade: websocket',
  'connection: close',
  'host:',
  'host: evil.example',
  'origin: https://evil.example',
  'access-control-request-method: DELETE',
  'if-none-match: *',
  'range: bytes=0-1',
  'accept-encoding: gzip, br;q=0, *;q=0.5',
  'accept-encoding: gzip',
  'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  'traceparent: 00-zz',
  'x-forwarded-for: 1.2.3.4, ::1',
  `x-long: ${'h'.repeat(20_000)}`,
  'bad header name: 1',
  'no-colon-at-all',
  ': empty',
  'x-nul: a\u0000b',
];
const NONSENSE: readonly (() => Buffer)[] = [
  () => Buffer.from('GET / HTTP/0.9\r\n\r\n'),
  () => Buffer.from('GET /livez HTTP/3.0\r\n\r\n'),
  () => Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  () => Buffer.from('1603010200010001fc0303', 'hex'),
  () => Buffer.from('\r\n\r\n\r\n\r\n'),
  () => Buffer.from('GET  /livez  HTTP/1.1\r\nhost: a\r\n\r\n'),
  () =>
    Buffer.from(
      'POST /v1/indexes/pins/query HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n12345',
    ),
  () =>
    Buffer.from(
      'POST /v1/indexes/pins/query HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /livez HTTP/1.1\r\n\r\n',
    ),
  () =>
    Buffer.from(
      'POST /v1/indexes/pins/query HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-type: application/json\r\n\r\nZZ\r\n{}\r\n0\r\n\r\n',
    ),
  () =>
    Buffer.from(
      'POST /v1/indexes/pins/query HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-type: application/json\r\n\r\nFFFFFFFFFFFFFFFFF\r\n',
    ),
  () => Buffer.from(`GET /${'a'.repeat(70_000)} HTTP/1.1\r\nhost: a\r\n\r\n`),
  () => Buffer.from(`GET /livez HTTP/1.1\r\n${'x: y\r\n'.repeat(3000)}\r\n`),
  () => Buffer.from('GET http://other.example/livez HTTP/1.1\r\nhost: a\r\n\r\n'),
  () => Buffer.from('OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n'),
  () => Buffer.from('CONNECT other.example:443 HTTP/1.1\r\nhost: a\r\n\r\n'),
];

const PAGE =
  '{ edges { cursor score node { pinId payload attributes } } pageInfo { endCursor hasNextPage } exhausted }';
/** Documents with what they take; the last ones are none that are answered. */
const DOCUMENTS: readonly { readonly query: string; readonly request?: string }[] = [
  ...['query', 'related', 'search', 'homefeed'].map((name) => {
    const type = `${name[0]!.toUpperCase()}${name.slice(1)}Request`;
    const query = `query ($index: String!, $request: ${type}!, $first: Int, $after: String) { ${name}(index: $index, request: $request, first: $first, after: $after) ${PAGE} }`;
    return { query, request: type };
  }),
  {
    query: `query ($index: String!, $request: NotificationsRequest!) { notifications(index: $index, request: $request) { user } }`,
    request: 'NotificationsRequest',
  },
  { query: '{ indexes { name } index(name: "pins") { name } }' },
  { query: '{ pins(index: "pins", ids: ["p1", "gone", "p2"]) { pinId payload } }' },
  {
    query: '{ pin(index: "pins", id: "p1") { pinId related(request: {k: 3}) { edges { node { pinId } } } } }',
  },
  {
    query: `{ ${Array.from({ length: 60 }, (_, i) => `a${i}: pin(index: "pins", id: "p${i}") { pinId }`).join(' ')} }`,
  },
  { query: 'query A { indexes { name } } query B { indexes { name } }' },
  { query: '{ __schema { types { name fields { name } } } }' },
  {
    query: `{ pin(index: "pins", id: "p1") ${'{ related(request: {k: 2}) { edges { node '.repeat(20)}{ pinId }${' } } }'.repeat(20)} }`,
  },
  { query: 'fragment F on Pin { ...F } { pin(index: "pins", id: "p1") { ...F } }' },
  { query: 'mutation { removeIndex(name: "pins") }' },
  { query: 'subscription { pins }' },
  { query: `{ ${'['.repeat(5000)} }` },
  { query: '' },
];

export class RequestMaker {
  readonly #world: FuzzWorld;
  readonly #seed: number;
  readonly #targets: readonly Target[];
  readonly #total: number;

  constructor(world: FuzzWorld, seed: number) {
    this.#world = world;
    this.#seed = seed;
    this.#targets = Object.entries(world.api.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({
        method: method.toUpperCase(),
        path,
        operation,
      })),
    );
    this.#total = this.#targets.reduce((sum, target) => sum + weightOf(target), 0);
  }

  /** The request of that number. */
  make(number: number): FuzzRequest {
    const prng = new Prng(BigInt(this.#seed) * 0x1_0000_0000n + BigInt(number));
    const chance = prng.below(100);
    if (chance < 8) return this.#graphql(prng);
    if (chance < 55) return this.#structured(prng, 'structured', prng.pick([0, 0, 0.02, 0.08]));
    if (chance < 72) return this.#mutated(prng);
    if (chance < 80) return this.#strayed(prng);
    if (chance < 88) return this.#headed(prng);
    if (chance < 92) return this.#pipelined(prng);
    if (chance < 95) return this.#slow(prng);
    if (chance < 98) return this.#cut(prng);
    return this.#nonsense(prng);
  }

  #target(prng: Prng): Target {
    let left = prng.float() * this.#total;
    for (const target of this.#targets) {
      left -= weightOf(target);
      if (left < 0) return target;
    }
    return this.#targets.at(-1)!;
  }

  /** Line, headers and body of a request for a target. */
  #parts(prng: Prng, { method, path, operation }: Target, oddity: number) {
    const maker = new ValueMaker(prng, this.#world, oddity);
    const isOfScratch = operation.operationId === 'createIndex' || operation.operationId === 'removeIndex';
    const segment = (name: string): string => {
      if (prng.float() < oddity) return prng.pick(ODD_PATHS);
      const scratch = `scratch-${prng.below(3)}`;
      if (name === 'index') {
        if (isOfScratch) return scratch;
        return prng.below(12) === 0 ? prng.pick([scratch, `alias-${prng.below(3)}`, 'none']) : 'pins';
      }
      if (name === 'alias') return `alias-${prng.below(3)}`;
      return encodeURIComponent(Buffer.from(String(maker.pinId())).toString());
    };
    let address = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => segment(name));
    if (prng.below(12) === 0)
      address += `?${prng.pick(['include=vector', 'include=', 'a=b', 'include=vector&include=payload', '%', '__proto__=1', '=&=', 'include[]=1'])}`;
    const isJson = prng.below(2) === 0;
    const headers = ['host: 127.0.0.1', `accept: ${prng.below(2) === 0 ? JSON_TYPE : MSGPACK_TYPE}`];
    if (prng.below(6) === 0)
      headers.push(`accept-encoding: ${prng.pick(['gzip', 'br', 'gzip, deflate, br'])}`);
    const scope = operation['x-scope'];
    const key =
      prng.below(40) > 0
        ? this.#world.keys[scope]
        : prng.pick([undefined, this.#world.keys.write, 'Bearer np_x']);
    if (key !== undefined) headers.push(`authorization: ${key}`);
    let body: Buffer | undefined;
    if (operation.requestBody !== undefined) {
      const value = maker.make(operation.requestBody.content[JSON_TYPE]!.schema);
      const text = toJson(value);
      body = isJson ? Buffer.from(text) : toMsgpack(value, prng);
      headers.push(`content-type: ${isJson ? JSON_TYPE : MSGPACK_TYPE}`);
    }
    return { method, address, headers, body };
  }

  #structured(prng: Prng, kind: string, oddity: number): FuzzRequest {
    const target = this.#target(prng);
    const parts = this.#parts(prng, target, oddity);
    return {
      kind,
      pieces: [bytesOf(parts)],
      answers: 1,
      method: target.method,
      // An odd path may lead elsewhere
      ...(oddity === 0 && { operation: target.operation }),
    };
  }

  #graphql(prng: Prng): FuzzRequest {
    const maker = new ValueMaker(prng, this.#world, prng.pick([0, 0, 0.03]));
    const { query, request } = prng.pick(DOCUMENTS);
    const value = new Entries([
      ['query', query],
      [
        'variables',
        request === undefined
          ? prng.pick([null, maker.anything()])
          : new Entries([
              ['index', prng.below(10) === 0 ? maker.odd() : 'pins'],
              ['request', maker.make({ $ref: request }, 1)],
              ['first', prng.pick([null, 1, 2, 0, -1, 5000])],
              ['after', prng.pick<unknown>([null, null, '', maker.text(), maker.odd()])],
            ]),
      ],
      ...(prng.below(6) === 0 ? [['operationName', maker.text()] as const] : []),
      ...(prng.below(12) === 0 ? [['id', maker.text()] as const] : []),
    ]);
    const text = Buffer.from(toJson(value));
    const headers = [
      'host: 127.0.0.1',
      'accept: application/json',
      'content-type: application/json',
      ...(prng.below(40) > 0 ? [`authorization: ${this.#world.keys.read}`] : []),
    ];
    const body = prng.below(4) === 0 && !hasDeadline(text) ? mutate(text, prng) : text;
    return {
      kind: 'graphql',
      pieces: [bytesOf({ method: 'POST', address: '/graphql', headers, body })],
      answers: 1,
      method: 'POST',
    };
  }

  /** A body of which some bytes are others. */
  #mutated(prng: Prng): FuzzRequest {
    const withBody = this.#targets.filter(
      ({ operation: { requestBody, operationId } }) =>
        requestBody !== undefined && (WEIGHTS[operationId] ?? 1) >= 1,
    );
    const target = prng.pick(withBody);
    let parts = this.#parts(prng, target, 0);
    while (hasDeadline(parts.body!)) parts = this.#parts(prng, target, 0);
    const body = mutate(parts.body!, prng);
    return {
      kind: 'mutated body',
      pieces: [bytesOf({ ...parts, body })],
      answers: 1,
      method: target.method,
      operation: target.operation,
    };
  }

  /** Another method or an odd address; never one that takes the index away. */
  #strayed(prng: Prng): FuzzRequest {
    const target = this.#target(prng);
    const parts = this.#parts(prng, target, 0.3);
    const method = prng.below(2) === 0 ? prng.pick(METHODS) : target.method;
    let { address } = parts;
    if (prng.below(2) === 0) {
      const at = prng.below(address.length);
      address = address.slice(0, at) + prng.pick(ODD_PATHS) + address.slice(at + prng.below(3));
    }
    if (method === 'DELETE' && /^\/v1\/indexes\/pins\/?(\?|$)/.test(address)) address = '/v1/indexes/none';
    // What Node's parser takes for no request may be answered and closed, or closed
    return {
      kind: 'strayed',
      pieces: [bytesOf({ ...parts, method, address })],
      method,
    };
  }

  #headed(prng: Prng): FuzzRequest {
    const target = this.#target(prng);
    const parts = this.#parts(prng, target, 0);
    const lines = Array.from({ length: 1 + prng.below(3) }, () => prng.pick(HEADER_LINES));
    return {
      kind: 'odd headers',
      pieces: [bytesOf({ ...parts, headers: [...parts.headers, ...lines] })],
      method: target.method,
    };
  }

  #pipelined(prng: Prng): FuzzRequest {
    const reading = this.#targets.filter(({ operation }) => operation['x-scope'] !== 'admin');
    const count = 2 + prng.below(7);
    const all = Array.from({ length: count }, () => this.#parts(prng, prng.pick(reading), 0));
    return {
      kind: 'pipelined',
      pieces: [Buffer.concat(all.map(bytesOf))],
      answers: count,
      method: 'POST',
    };
  }

  /** A whole request that comes in pieces. */
  #slow(prng: Prng): FuzzRequest {
    const { pieces, ...request } = this.#structured(prng, 'in pieces', 0);
    const [whole] = pieces;
    const cuts = Array.from({ length: 1 + prng.below(3) }, () => prng.below(whole!.length)).sort(
      (a, b) => a - b,
    );
    return { ...request, pieces: [0, ...cuts].map((start, i) => whole!.subarray(start, cuts[i])) };
  }

  /** The beginning of a request, after which nothing comes. */
  #cut(prng: Prng): FuzzRequest {
    const { pieces, method } = this.#structured(prng, '', 0);
    const [whole] = pieces;
    return {
      kind: 'cut off',
      pieces: [whole!.subarray(0, 1 + prng.below(whole!.length - 1))],
      method,
    };
  }

  #nonsense(prng: Prng): FuzzRequest {
    const bytes =
      prng.below(2) === 0
        ? prng.pick(NONSENSE)()
        : Buffer.from(Array.from({ length: 1 + prng.below(400) }, () => prng.below(256)));
    return { kind: 'no HTTP', pieces: [bytes], method: 'GET' };
  }
}

/** Changed bytes would make another deadline of it, which may be so short that there is no answer. */
const hasDeadline = (body: Buffer): boolean => body.includes('deadlineMs');

const weightOf = ({ operation }: Target): number => WEIGHTS[operation.operationId] ?? 1;

interface Parts {
  readonly method: string;
  readonly address: string;
  readonly headers: readonly string[];
  readonly body?: Buffer | undefined;
}

function bytesOf({ method, address, headers, body }: Parts): Buffer {
  const lines = [`${method} ${address} HTTP/1.1`, ...headers];
  if (
    body !== undefined &&
    !headers.some((line) => line.startsWith('content-length') || line.startsWith('transfer-'))
  )
    lines.push(`content-length: ${body.length}`);
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), body ?? Buffer.alloc(0)]);
}

/** Bytes with a few of them changed, gone, doubled or new. */
export function mutate(bytes: Buffer, prng: Prng): Buffer {
  let changed = Buffer.from(bytes);
  for (let left = 1 + prng.below(4); left > 0; left--) {
    const at = prng.below(changed.length + 1);
    const before = changed.subarray(0, at);
    const after = changed.subarray(at);
    const few = Buffer.from(Array.from({ length: 1 + prng.below(6) }, () => prng.below(256)));
    switch (prng.below(6)) {
      case 0:
        if (at < changed.length) changed[at]! ^= 1 << prng.below(8);
        break;
      case 1:
        if (at < changed.length) changed[at] = prng.pick([0, 0x22, 0x5b, 0x7b, 0x7f, 0x80, 0x90, 0xc1, 0xff]);
        break;
      case 2:
        changed = Buffer.concat([before, after.subarray(Math.min(after.length, 1 + prng.below(8)))]);
        break;
      case 3:
        changed = Buffer.concat([before, few, after]);
        break;
      case 4:
        changed = Buffer.concat([before, after.subarray(0, prng.below(40)), after]);
        break;
      default:
        changed = Buffer.from(before);
    }
  }
  return changed;
}
