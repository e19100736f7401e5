/** Requests that are refused unread get the answers that they would get if Node had read them, and so does all that is between them. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { Duplex } from 'node:stream';
import { describe, it, type TestContext } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { connect as connectSecurely } from 'node:tls';
import fc from 'fast-check';
import type { Admission } from '../../../src/server/overload/admission.ts';
import { guardDoor } from '../../../src/server/overload/door.ts';
import { makeCertificate } from '../../support/certificate.ts';

const PATH = '/v1/indexes/a/query';

/** A server that tells what it read, behind a door that is full or is not; and how many requests were read. */
function guarded(isSecure = false) {
  const state = { isFull: false, read: 0, refused: 0 };
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method, url, rawHeaders } = request;
      response.sendDate = false;
      const body = JSON.stringify([method, url, rawHeaders, Buffer.concat(chunks).toString('latin1')]);
      response.writeHead(200, { 'content-length': Buffer.byteLength(body) }).end(body);
    });
  };
  const server = isSecure
    ? createSecureServer({ ...makeCertificate(), keepAliveTimeout: 60_000 }, answer)
    : createServer({ keepAliveTimeout: 60_000 }, answer);
  const searches = {
    get hasRoom() {
      return !state.isFull;
    },
    isFull: () => state.isFull,
  } as unknown as Admission;
  guardDoor(server, {
    admissions: { searches, writes: searches },
    clock: () => 0,
    corsOrigins: new Set(),
    onRefused: () => {
      state.refused++;
    },
  });
  server.on('request', () => {
    state.read++;
  });
  return { server, state };
}

const post = (body: string, fields = '') =>
  `POST ${PATH} HTTP/1.1\r\nHost: x\r\n${fields}Content-Length: ${body.length}\r\n\r\n${body}`;

describe('a connection on which requests were refused', () => {
  async function started(t: TestContext, isSecure = false) {
    const { server, state } = guarded(isSecure);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const socket = isSecure
      ? connectSecurely({ port, host: '127.0.0.1', rejectUnauthorized: false })
      : connect(port, '127.0.0.1');
    await once(socket, isSecure ? 'secureConnect' : 'connect');
    t.after(() => {
      socket.destroy();
      server.close();
    });
    const ask = async (request: string): Promise<string> => {
      socket.write(request, 'latin1');
      return String(((await once(socket, 'data')) as [Buffer])[0]);
    };
    return { state, ask, socket };
  }

  it('has a request with the same head refused unread, whatever its body is', async (t) => {
    const { state, ask } = await started(t);
    state.isFull = true;
    const first = await ask(post('one'));
    assert.match(first, /^HTTP\/1\.1 503 .*\r\n\r\n\{.*"overloaded"/s);
    for (const body of ['two', 'three', 'three', 'x'.repeat(1000), ''])
      assert.equal(await ask(post(body)), first, body);
    assert.equal(state.read, 3, 'the first two, and what they are compared with');
    assert.equal(state.refused, 6);

    assert.notEqual(await ask(post('one', 'X-Request-Id: 7\r\n')), first);
    assert.equal(state.read, 4);
    await ask(post('one'));
    assert.equal(await ask(post('one')), first);
    assert.equal(state.read, 5, 'and again after another one');

    state.isFull = false;
    assert.match(await ask(post('now')), /^HTTP\/1\.1 200 .*,"now"\]$/s);
    assert.equal(state.read, 6);
    state.isFull = true;
    assert.equal(await ask(post('not now')), first);
    assert.equal(state.read, 6);
  });

  it('has it so over TLS, too', async (t) => {
    const { state, ask } = await started(t, true);
    state.isFull = true;
    const first = await ask(post('one'));
    for (const body of ['two', 'three', 'four', 'five']) assert.equal(await ask(post(body)), first, body);
    assert.equal(state.read, 3);
    state.isFull = false;
    assert.match(await ask(post('now')), /^HTTP\/1\.1 200 .*,"now"\]$/s);
  });

  it('is read as any other where each request is another', async (t) => {
    const { state, ask } = await started(t);
    state.isFull = true;
    const different = (i: number) => post('body', `X-Request-Id: id-${i}\r\n`);
    for (let i = 0; i < 20; i++)
      assert.match(await ask(different(i)), new RegExp(`503.*x-request-id: id-${i}\r\n`, 's'));
    for (let i = 0; i < 3; i++) await ask(different(7));
    for (let i = 0; i < 20; i++)
      assert.match(await ask(different(i)), new RegExp(`503.*x-request-id: id-${i}\r\n`, 's'));
    assert.equal(state.read, 43);
    assert.equal(state.refused, 43);
  });
});

/** A connection whose chunks come as they are given. */
class Connection extends Duplex {
  readonly said: string[] = [];
  isRead = true;
  go = () => {};

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.said.push(chunk.toString('latin1'));
    this.go = done;
    if (this.isRead) done();
  }
}

/** But for what Node adds to an answer that has waited for another. */
const answersOf = ({ said }: Connection) =>
  said.join('').replaceAll(/^(Date|Connection|Keep-Alive): .*\r\n/gm, '');

/** What a server says to chunks, when all that came was read. */
async function heard(connection: Connection, chunks: readonly string[]): Promise<void> {
  for (const chunk of chunks) {
    connection.push(Buffer.from(chunk, 'latin1'));
    await setImmediate();
  }
  for (let i = 0; i < 4; i++) await setImmediate();
}

const TEMPLATES: readonly ((body: string) => string)[] = [
  (body) => post(body),
  (body) => post(body, 'X-Request-Id: 1\r\n'),
  (body) => post(body, 'X-Deadline-Ms: 5\r\n'),
  (body) => post(body).replace('Content-Length: ', 'content-length:  '),
  (body) => post(body).replace('Host: x', 'Host: x\r\nX-Folded: a'),
  () => `GET /livez HTTP/1.1\r\nHost: x\r\n\r\n`,
  () => `POST ${PATH} HTTP/1.1\r\nHost: x\r\n\r\n`,
  (body) =>
    `POST ${PATH} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n${body === '' ? '' : '0\r\n\r\n'}`,
];
const CHUNKED = TEMPLATES.length - 1;
const bodies = fc.oneof(
  fc.constantFrom(
    '',
    'body',
    'another',
    'x'.repeat(12),
    post('body'),
    `${post('body')}${post('')}`,
    '\r\n\r\n',
  ),
  fc.string({ maxLength: 20, unit: fc.constantFrom('a', '0', '\r\n', ': ') }),
);
/** Requests, where their bytes are cut, whether one waits until the one before was answered, and whether there is no room for them. */
const steps = fc.array(
  fc.record({
    isFull: fc.oneof(
      { weight: 4, arbitrary: fc.constant(true) },
      { weight: 1, arbitrary: fc.constant(false) },
    ),
    requests: fc.array(
      fc.tuple(
        fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 2, arbitrary: fc.nat(CHUNKED) }),
        bodies,
      ),
      { minLength: 1, maxLength: 3 },
    ),
    isPipelined: fc.boolean(),
    cuts: fc.oneof(
      { weight: 2, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: fc.array(fc.nat(400), { maxLength: 3 }) },
    ),
    times: fc.integer({ min: 1, max: 4 }),
  }),
  { minLength: 3, maxLength: 10 },
);

function cutAt(bytes: string, cuts: readonly number[]): string[] {
  const ends = [...new Set(cuts.map((cut) => cut % (bytes.length + 1))), bytes.length].sort((a, b) => a - b);
  return ends.map((end, i) => bytes.slice(ends[i - 1] ?? 0, end)).filter((chunk) => chunk !== '');
}

describe('on a connection on which requests were refused', () => {
  /** The next request with this head is refused unread. */
  async function known() {
    const { server, state } = guarded();
    const connection = new Connection();
    server.emit('connection', connection);
    const [parser] = connection.listeners('data');
    state.isFull = true;
    const say = async (...chunks: string[]) => {
      connection.said.length = 0;
      await heard(connection, chunks);
      return connection.said.join('');
    };
    for (let i = 0; i < 3; i++) await say(post('body'));
    assert.equal(state.read, 3);
    const refusal = await say(post('body'));
    assert.equal(state.read, 3);
    return { connection, state, say, refusal, isNodes: () => connection.listeners('data')[0] === parser };
  }

  it('the end of a head that looks like a request is none', async () => {
    const { say, refusal, state } = await known();
    const begun = `POST ${PATH} HTTP/1.1\r\nX-Request-Id: 5\r\nX-Other:`;
    for (let i = 0; i < 3; i++) {
      assert.match(await say(begun, post('body')), /^HTTP.*x-request-id: 5\r\n(?!.*HTTP)/s);
      state.isFull = i === 0;
      assert.match(await say(post('body')), state.isFull ? / 503 / : / 200 /);
      state.isFull = true;
      assert.equal(await say(post('body')), refusal);
    }
  });

  it('the end of a body that looks like a request is none', async () => {
    const { say, refusal, state } = await known();
    const body = `begin${post('body')}`;
    for (let i = 0; i < 3; i++) {
      const { refused } = state;
      assert.equal(await say(post(body).slice(0, -post('body').length), post('body')), refusal);
      assert.equal(state.refused, refused + 1);
      assert.equal(await say(post('body')), refusal);
    }
  });

  it('a request waits for the answer before its own', async () => {
    const { say, refusal, state, connection } = await known();
    state.isFull = false;
    connection.push(post('body'));
    state.isFull = true;
    connection.push(post('body'));
    const [first, second] = (await say()).split(/(?=HTTP\/)/);
    assert.match(first!, /^HTTP\/1\.1 200 /);
    assert.match(second!, /^HTTP\/1\.1 503 /);
    assert.equal(await say(post('body')), refusal);
  });

  it('heads that are others each time are not compared for long', async () => {
    const { say, refusal, state, isNodes } = await known();
    assert.equal(isNodes(), false);
    for (let i = 0; i < 5; i++) await say(post('body', `X-Request-Id: ${i}\r\n`));
    assert.equal(isNodes(), true);
    for (let i = 0; i < 4; i++) assert.equal(await say(post('body')), refusal);
    assert.equal(isNodes(), false);
    assert.equal(state.read, 3 + 5 + 2);
  });

  it('no more is written than its client reads', async () => {
    const { connection, refusal, state } = await known();
    const { refused } = state;
    connection.said.length = 0;
    connection.isRead = false;
    for (let i = 0; i < 1000; i++) connection.push(post('body'));
    await setImmediate();
    assert.ok(connection.writableLength < connection.writableHighWaterMark + 3 * refusal.length);
    connection.isRead = true;
    connection.go();
    while (state.refused < refused + 1000) await setImmediate();
    await setImmediate();
    assert.equal(connection.said.join('').split('HTTP/1.1 503 ').length, 1001);
  });
});

describe('whatever comes on a connection, however it is cut', () => {
  it('is answered as when it comes byte by byte', async () => {
    let unread = 0;
    await fc.assert(
      fc.asyncProperty(steps, async (given) => {
        const whole = guarded();
        const bytewise = guarded();
        const [one, other] = [new Connection(), new Connection()];
        whole.server.emit('connection', one);
        bytewise.server.emit('connection', other);
        for (const { isFull, requests, isPipelined, cuts, times } of given) {
          // One that is refused ends the connection
          if (isFull && requests.some(([template]) => template === CHUNKED)) continue;
          const texts = requests.map(([template, body]) => TEMPLATES[template]!(body));
          const each = isPipelined ? [texts.join('')] : texts;
          for (let time = 0; time < times; time++) {
            whole.state.isFull = isFull;
            bytewise.state.isFull = isFull;
            for (const text of each) {
              await heard(one, cutAt(text, cuts));
              await heard(other, [...text]);
            }
          }
        }
        assert.equal(answersOf(one), answersOf(other));
        assert.equal(whole.state.refused, bytewise.state.refused);
        assert.ok(whole.state.read <= bytewise.state.read);
        unread += bytewise.state.read - whole.state.read;
        one.destroy();
        other.destroy();
      }),
      { numRuns: 60 },
    );
    assert.ok(unread > 0, 'some were refused unread');
  });
});
