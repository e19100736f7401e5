/**
 * The written guarantees of docs/operations.md, a test for each sentence under the same words, on the program as it is
 * run: processes, signals, sockets, files. The layers below have tests that look closer.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { CATALOGUE_ATTRIBUTES, drawCatalogue } from '../../src/build/catalogue.ts';
import { createClient, type NearpinClient } from '../../src/client/client.ts';
import type { PinInput } from '../../src/index/pin.ts';
import { ERRORS } from '../../src/lib/errors.ts';
import { Prng } from '../../src/lib/prng.ts';
import { makeCertificate } from '../support/certificate.ts';
import { exchange, postJson, postMsgpack } from '../support/http.ts';
import { environment, lifetime, MAIN, run, runJson, type Serving, startServer } from '../support/program.ts';

const DOCUMENT = readFileSync(fileURLToPath(new URL('../../../docs/operations.md', import.meta.url)), 'utf8');
const DIM = 256;
const ATTRIBUTES = JSON.stringify(CATALOGUE_ATTRIBUTES);

/** The sentences that have a test. */
const tested: string[] = [];

function guarantee(sentence: string, check: (t: TestContext) => Promise<void> | void): void {
  tested.push(sentence);
  test(sentence, check);
}

let folder: string;
let pinsFile: string;
/** 2,000 pins with texts, in two shards; served by `server`, and copied by whoever changes files. */
let indexes: string;
let server: Serving;
let client: NearpinClient;
/** One that asks for keys, and the keys that it knows by their names. */
let guarded: Serving;
const keys: Record<string, string> = {};
const all = lifetime();

function randomVector(seed: number): number[] {
  const random = new Prng(seed);
  return Array.from({ length: DIM }, () => Math.fround(random.normal()));
}

const linesOf = (pins: Iterable<object>): string =>
  Array.from(pins, (pin) => `${JSON.stringify(pin)}\n`).join('');

/** A directory with an index `pins` of its own. */
function ownIndexes(name: string): string {
  const dir = join(folder, name);
  mkdirSync(dir);
  cpSync(join(folder, 'built'), join(dir, 'pins'), { recursive: true });
  return dir;
}

/** Waits for as long as a busy machine takes; comes back to a server that refuses for now only where that is said. */
function clientOf({ url }: Serving, retries = 0): NearpinClient {
  return createClient({ url, retries, timeoutMs: 60_000 });
}

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'nearpin-guarantees-'));
  pinsFile = join(folder, 'pins.jsonl');
  writeFileSync(pinsFile, linesOf(drawCatalogue(2000, 11)));
  runJson('build', pinsFile, '--out', join(folder, 'built'), '--attributes', ATTRIBUTES, '--shards', '2');
  indexes = ownIndexes('shared');
  server = await startServer(all, ['--indexes', indexes, '--workers', '2']);
  client = clientOf(server, 5);
  const keysFile = join(folder, 'keys.json');
  const owners = {
    reader: ['--scopes', 'read', '--only', 'pins'],
    writer: ['--scopes', 'write'],
    stranger: ['--scopes', 'read,write,admin', '--only', 'other'],
  };
  for (const [owner, may] of Object.entries(owners))
    keys[owner] = runJson('keys', 'add', owner, '--keys-file', keysFile, ...may).key;
  const own = ownIndexes('guarded');
  guarded = await startServer(all, ['--indexes', own, '--workers', '1', '--keys-file', keysFile]);
});
after(async () => {
  await all.end();
  rmSync(folder, { recursive: true, force: true });
});

guarantee(
  'What was acknowledged is there after the process was killed at any moment, and no write is there in part.',
  async (t) => {
    const dir = ownIndexes('killed');
    const args = ['--indexes', dir, '--workers', '1'];
    const PARTS = 3;
    const acknowledged = new Set<number>();
    let sent = 0;
    for (let kill = 1; kill <= 2; kill++) {
      const killed = await startServer(t, args);
      const to = clientOf(killed);
      const writers = Array.from({ length: 4 }, async () => {
        for (;;) {
          const write = sent++;
          const pins = Array.from({ length: PARTS }, (_, part) => ({
            id: `w${write}-${part}`,
            vector: randomVector(write * PARTS + part),
          }));
          await to.upsert('pins', { pins });
          acknowledged.add(write);
        }
      });
      const ended = Promise.allSettled(writers);
      while (acknowledged.size < kill * 25) await sleep(2);
      assert.equal(await killed.stop('SIGKILL'), null);
      await ended;
    }
    const again = clientOf(await startServer(t, args));
    for (let write = 0; write < sent; write++) {
      const found = await Promise.allSettled(
        Array.from({ length: PARTS }, (_, part) => again.pin('pins', `w${write}-${part}`)),
      );
      const there = found.filter(({ status }) => status === 'fulfilled').length;
      if (acknowledged.has(write)) assert.equal(there, PARTS, `write ${write} was acknowledged`);
      else assert.ok(there === 0 || there === PARTS, `${there} pins of write ${write} are there`);
    }
  },
);

guarantee('A write that was acknowledged is seen by every search that begins after it.', async () => {
  await Promise.all(
    Array.from({ length: 40 }, async (_, i) => {
      const vector = randomVector(5000 + i);
      const id = `seen-${i}`;
      await client.upsert('pins', { pins: [{ id, vector }] });
      const { hits } = await client.query('pins', { vector, k: 1 });
      assert.equal(hits[0]?.id, id);
      await client.delete('pins', { ids: [id] });
      const { hits: without } = await client.query('pins', { vector, k: 10 });
      assert.ok(without.every((hit) => hit.id !== id));
    }),
  );
});

guarantee('Bad input is refused with its place, and changes nothing.', async () => {
  const before = await client.index('pins');
  const good = { id: 'good', vector: randomVector(1) };
  const cases: [string, object, string][] = [
    ['bad_dim', { id: 'bad', vector: [1, 2] }, 'pins[1].vector'],
    ['zero_vector', { id: 'bad', vector: Array(DIM).fill(0) }, 'pins[1].vector'],
    ['bad_attribute', { ...good, id: 'bad', attributes: { price: 'much' } }, 'pins[1].attributes.price'],
    ['bad_pin_id', { ...good, id: '' }, 'pins[1].id'],
  ];
  for (const [code, bad, path] of cases) {
    const { status, body } = await exchange(`${server.url}/v1/indexes/pins/pins`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ pins: [good, bad] }),
    });
    assert.deepEqual([status, body.code, body.errors[0].path], [400, code, path]);
  }
  await assert.rejects(client.pin('pins', 'good'), { code: 'unknown_pin' });
  const { count, seq } = await client.index('pins');
  assert.deepEqual([count, seq], [before.count, before.seq]);
});

guarantee('One process writes to an index; another is refused.', () => {
  const { status, stderr } = run(['upsert', join(indexes, 'pins'), pinsFile]);
  assert.equal(status, 1);
  assert.match(stderr, /\(index_locked\)\n$/);
});

guarantee(
  'A full disk refuses writes with disk_full, costs none that was acknowledged, and searching goes on.',
  async (t) => {
    if (spawnSync('prlimit', ['--version']).status !== 0) return t.skip('there is no prlimit');
    const dir = ownIndexes('full');
    const full = await startServer(t, ['--indexes', dir, '--workers', '1']);
    const to = clientOf(full);
    const limit = (bytes: number | string) =>
      assert.equal(
        spawnSync('prlimit', ['--pid', String(full.child.pid), `--fsize=${bytes}:unlimited`]).status,
        0,
      );
    const write = (i: number) =>
      to.upsert('pins', {
        pins: [{ id: `full-${i}`, vector: randomVector(i), payload: 'x'.repeat(60_000) }],
      });
    await write(0);
    limit(statSync(join(dir, 'pins', 'updates', 'data.mdb')).size);
    let written = 1;
    const refusal = await (async () => {
      for (; written < 2000; written++) await write(written);
    })().then(
      () => undefined,
      (error) => error,
    );
    assert.equal(refusal?.code, 'disk_full');
    const { hits } = await to.query('pins', { vector: randomVector(written), k: 10 });
    assert.equal(hits.length, 10);
    assert.ok(hits.every(({ id }) => id !== `full-${written}`));
    limit('unlimited');
    await write(written + 1);
    for (let i = 0; i < written; i++) assert.equal((await to.pin('pins', `full-${i}`)).id, `full-${i}`);
    await assert.rejects(to.pin('pins', `full-${written}`), { code: 'unknown_pin' });
    assert.equal((await to.pin('pins', `full-${written + 1}`)).id, `full-${written + 1}`);
  },
);

guarantee('An answer that is not of all shards in full says so in its coverage.', async () => {
  const url = `${server.url}/v1/indexes/pins/query`;
  const vectors = Array.from({ length: 50 }, (_, i) => randomVector(i));
  const whole = (await postJson(url, { vectors, exact: true })).body.results;
  let partial = 0;
  for (const deadlineMs of [0.001, 0.3, 1, 2, 3, 5, 8, 13, 1000]) {
    const { status, body } = await postJson(url, { vectors, exact: true, deadlineMs });
    if (status === 504) {
      assert.equal(body.code, 'deadline_exceeded');
      partial++;
      continue;
    }
    assert.equal(status, 200);
    body.results.forEach(
      ({ hits, coverage }: { hits: object[]; coverage: Record<string, unknown> }, i: number) => {
        if (coverage.degraded !== undefined) partial++;
        else {
          assert.equal(coverage.answered, coverage.shards);
          assert.deepEqual(hits, whole[i].hits);
        }
      },
    );
  }
  assert.ok(partial > 0);
});

guarantee(
  'An answer is of one generation and one model, those that it names, while generations are swapped.',
  async (t) => {
    const dir = join(folder, 'swapped');
    const index = join(dir, 'pins');
    for (const [name, of] of [
      ['first', 1],
      ['second', 2],
    ] as const) {
      const file = join(folder, `${name}.jsonl`);
      const pins = Array.from({ length: 300 }, (_, i) => ({
        id: `p${i}`,
        vector: randomVector(i * 10 + of),
        payload: { of },
      }));
      writeFileSync(file, linesOf(pins));
      runJson('build', file, '--out', index, '--vectors-from', `made-${name}@${of}`);
    }
    const swapping = await startServer(t, ['--indexes', dir, '--workers', '2']);
    const to = clientOf(swapping);
    let isOver = false;
    const seen = new Set<string>();
    const asking = Array.from({ length: 4 }, async (_, asker) => {
      for (let i = 0; !isOver; i++) {
        const { hits, generation, model } = await to.query('pins', {
          vector: randomVector(i * 10 + asker),
          k: 20,
          include: ['payload'],
        });
        const of = Number(generation);
        assert.equal(hits.length, 20);
        for (const { payload } of hits) assert.deepEqual(payload, { of });
        assert.equal(model, of === 1 ? 'made-first@1' : 'made-second@2');
        seen.add(generation);
      }
    });
    try {
      for (let swap = 0; swap < 12; swap++) await to.publish('pins', swap % 2 === 0 ? '000001' : '000002');
    } finally {
      isOver = true;
    }
    await Promise.all(asking);
    assert.equal(seen.size, 2);
  },
);

guarantee(
  'A text is embedded with the model of the index, and a vector that is said to be of another is refused.',
  async () => {
    const { model } = await client.index('pins');
    const [pin] = drawCatalogue(1, 11);
    const { hits, model: named } = await client.search('pins', { text: pin!.text!, k: 1 });
    assert.equal(named, model);
    assert.deepEqual([hits[0]!.id, hits[0]!.score > 0.999], [pin!.id, true]);
    const vector = randomVector(1);
    await assert.rejects(client.query('pins', { vector, model: 'another@7' }), { code: 'model_mismatch' });
    assert.equal((await client.query('pins', { vector, model: model! })).hits.length, 10);
  },
);

guarantee(
  'Every hit matches the filter, and `exhausted` says when fewer pins do than were asked for.',
  async () => {
    const pins = Array.from(drawCatalogue(2000, 11));
    for (const category of new Set(pins.map(({ attributes }) => attributes!.category as string))) {
      for (const price of [5, 30, 200]) {
        const matches = (attributes: PinInput['attributes']) =>
          attributes!.category === category && Number(attributes!.price) < price;
        const matching = pins.filter(
          ({ attributes }) => attributes!.price !== undefined && matches(attributes),
        ).length;
        const { hits, exhausted } = await client.query('pins', {
          vector: randomVector(price),
          k: 25,
          filter: { category, price: { $lt: price } },
          include: ['attributes'],
        });
        for (const { attributes } of hits) assert.ok(matches(attributes), JSON.stringify(attributes));
        assert.equal(hits.length, Math.min(25, matching));
        assert.equal(exhausted, matching < 25);
      }
    }
  },
);

guarantee(
  'Related Pins answer with no seed, Homefeed with nothing of the history or of what was seen.',
  async () => {
    const ids = Array.from(drawCatalogue(60, 11), ({ id }) => String(id));
    for (let i = 0; i < 20; i++) {
      const given = [ids[i]!, ids[i + 20]!];
      const seen = ids.slice(i + 21, i + 40);
      const related = await client.related('pins', { pins: given, k: 30 });
      assert.ok(related.hits.length > 0 && related.hits.every(({ id }) => !given.includes(id)));
      const homefeed = await client.homefeed('pins', { history: given, seen, k: 30 });
      assert.ok(
        homefeed.hits.length > 0 && homefeed.hits.every(({ id }) => ![...given, ...seen].includes(id)),
      );
    }
  },
);

guarantee(
  'The same request has the same answer in JSON and msgpack, with any number of threads.',
  async (t) => {
    const dir = ownIndexes('same');
    const urls: string[] = [];
    // The second cannot write, and reads
    for (const workers of ['1', '3'])
      urls.push((await startServer(t, ['--indexes', dir, '--workers', workers])).url);
    for (let i = 0; i < 20; i++) {
      const request = { vector: randomVector(i), k: 20, include: ['payload', 'attributes'] };
      const answers = [];
      for (const url of urls)
        for (const post of [postJson, postMsgpack]) {
          const { status, body } = await post(`${url}/v1/indexes/pins/query`, request);
          assert.equal(status, 200);
          answers.push(body.hits);
        }
      for (const hits of answers) assert.deepEqual(hits, answers[0]);
      assert.equal(answers[0].length, 20);
    }
  },
);

/** Name and digest of every file of a generation. */
function digests(generationDir: string): string[] {
  return readdirSync(generationDir, { recursive: true, encoding: 'utf8' })
    .filter((name) => !name.endsWith('lock.mdb') && statSync(join(generationDir, name)).isFile())
    .map(
      (name) =>
        `${name} ${createHash('sha256')
          .update(readFileSync(join(generationDir, name)))
          .digest('hex')}`,
    )
    .sort();
}

guarantee('The same input, options and seed build the same bytes.', () => {
  const again = join(folder, 'again');
  runJson('build', pinsFile, '--out', again, '--attributes', ATTRIBUTES, '--shards', '2');
  assert.deepEqual(digests(join(again, '000001')), digests(join(folder, 'built', '000001')));
  assert.ok(digests(join(again, '000001')).length >= 4);
});

guarantee('A build that is stopped at any moment leaves the index as it was.', async () => {
  const dir = ownIndexes('stopped');
  const index = join(dir, 'pins');
  const before = digests(join(index, '000001'));
  for (const delayMs of [0, 300]) {
    const child = spawn(
      process.execPath,
      [MAIN, 'build', pinsFile, '--out', index, '--attributes', ATTRIBUTES],
      {
        stdio: 'ignore',
        env: environment(),
      },
    );
    const exit = once(child, 'exit');
    const isStaged = () => readdirSync(index).some((name) => name.startsWith('.staging'));
    while (!isStaged() && child.exitCode === null) await sleep(2);
    await sleep(delayMs);
    child.kill('SIGKILL');
    await exit;
  }
  const current = readFileSync(join(index, 'CURRENT'), 'utf8').trim();
  assert.deepEqual(digests(join(index, '000001')), before);
  const { problems, generation } = runJson('verify', index);
  assert.deepEqual([problems, generation], [[], current]);
});

guarantee(
  'A damaged generation gives way to the newest good one with every write since, and warnings say so.',
  async (t) => {
    const dir = ownIndexes('fallen');
    const index = join(dir, 'pins');
    const one = join(folder, 'one.jsonl');
    writeFileSync(one, linesOf([{ id: 'since', text: 'a teal ukulele' }]));
    runJson('upsert', index, one);
    assert.equal(runJson('checkpoint', index).generation, '000002');
    const segment = join(index, '000002', 'shard-000.seg');
    const bytes = readFileSync(segment);
    bytes[bytes.length >> 1]! ^= 1;
    writeFileSync(segment, bytes);
    const to = clientOf(await startServer(t, ['--indexes', dir, '--workers', '1']));
    const { hits, generation } = await to.search('pins', { text: 'a teal ukulele', k: 1 });
    assert.deepEqual([hits[0]!.id, generation], ['since', '000001']);
    const { live } = await to.index('pins');
    assert.match(
      live!.warnings.map(({ message }) => message).join(),
      /000001 is served in place of a newer one/,
    );
    assert.ok(existsSync(join(index, 'damaged-000002')));
  },
);

guarantee('An index that cannot be served keeps no other from serving, and says why.', async (t) => {
  const dir = ownIndexes('beside');
  cpSync(join(folder, 'built'), join(dir, 'torn'), { recursive: true });
  writeFileSync(join(dir, 'torn', '000001', 'manifest.json'), '{"format": 1');
  const beside = await startServer(t, ['--indexes', dir, '--workers', '1']);
  const to = clientOf(beside);
  assert.equal((await to.query('pins', { vector: randomVector(1) })).hits.length, 10);
  await assert.rejects(to.query('torn', { vector: randomVector(1) }), { code: 'corrupt_file' });
  assert.deepEqual((await to.ready()).ready, ['pins']);
  assert.match(beside.stderr(), /torn: not served: .*manifest\.json/);
});

guarantee(
  'Settings that it could not serve with keep it from starting, with the name of the setting.',
  () => {
    for (const [name, ...args] of [
      ['modelDir', '--model-dir', join(folder, 'nowhere')],
      ['tlsKey', '--tls-cert', pinsFile],
    ] as const) {
      const { status, stderr, stdout } = run(['serve', '--indexes', indexes, '--port', '0', ...args]);
      assert.equal(status, 1, stderr);
      assert.match(stderr, new RegExp(`^nearpin: ${name}: .* \\(bad_config\\)\n$`));
      assert.equal(stdout, '');
    }
  },
);

guarantee('It does not start on an address that others can reach where nothing says who may do what.', () => {
  for (const args of [
    ['--host', '0.0.0.0'],
    ['--admin-port', '0', '--admin-host', '::'],
  ]) {
    const { status, stdout, stderr } = run(['serve', '--indexes', indexes, '--port', '0', ...args]);
    assert.deepEqual([status, stdout], [1, ''], stderr);
    assert.match(stderr, /\(auth_required\)\n$/);
  }
});

guarantee(
  'Nobody without a known key reaches a body parser: the refusal comes before the body does.',
  async () => {
    const { url } = guarded;
    const { hostname, port } = new URL(url);
    /** The first line of the answer to a request whose body is announced and never sent. */
    const answerTo = (path: string, method: string, type: string, key?: string) =>
      new Promise<string>((resolve, reject) => {
        const authorization = key === undefined ? '' : `authorization: Bearer ${key}\r\n`;
        const socket = connect(Number(port), hostname, () =>
          socket.write(
            `${method} ${path} HTTP/1.1\r\nhost: a\r\n${authorization}content-type: ${type}\r\ncontent-length: 5000000\r\n\r\n`,
          ),
        );
        socket.once('data', (chunk) => {
          socket.destroy();
          resolve(chunk.toString('latin1').split('\r\n')[0]!);
        });
        socket.on('error', reject);
      });
    const wrong = `${keys.reader!.slice(0, -1)}${keys.reader!.endsWith('A') ? 'B' : 'A'}`;
    // Of many in a second some are told to wait
    for (const [method, path] of [
      ['POST', '/v1/indexes/pins/query'],
      ['POST', '/v1/indexes/pins/batch'],
      ['PUT', '/v1/indexes/pins/pins'],
      ['PUT', '/v1/indexes/new'],
    ] as const)
      for (const type of ['application/json', 'application/msgpack'])
        for (const key of [undefined, wrong, 'nonsense'])
          assert.match(
            await answerTo(path, method, type, key),
            /^HTTP\/1\.1 (401 Unauthorized|429 Too Many Requests)$/,
            `${path} ${key}`,
          );
    const query = { vector: randomVector(1) };
    assert.ok([401, 429].includes((await postJson(`${url}/v1/indexes/pins/query`, query)).status));
    const authorization = `Bearer ${keys.reader}`;
    assert.equal((await postJson(`${url}/v1/indexes/pins/query`, query, { authorization })).status, 200);
    for (const path of ['/livez', '/readyz']) assert.equal((await exchange(`${url}${path}`)).status, 200);
  },
);

guarantee('A key opens what its scopes and its indexes name, and nothing else.', async () => {
  const { url } = guarded;
  const codes = async (key: string) => {
    const to = createClient({ url, retries: 0, headers: { authorization: `Bearer ${keys[key]}` } });
    const asked = [
      to.query('pins', { vector: randomVector(1) }),
      to.upsert('pins', { pins: [{ id: `of-${key}`, vector: randomVector(1) }] }),
      to.checkpoint('pins'),
      to.query('nowhere', { vector: randomVector(1) }),
    ];
    return Promise.all(
      asked.map((each: Promise<unknown>) =>
        each.then(
          () => 'done',
          ({ code }) => code,
        ),
      ),
    );
  };
  assert.deepEqual(await codes('reader'), ['done', 'forbidden', 'forbidden', 'forbidden']);
  assert.deepEqual(await codes('writer'), ['forbidden', 'done', 'forbidden', 'forbidden']);
  assert.deepEqual(await codes('stranger'), ['forbidden', 'forbidden', 'forbidden', 'forbidden']);
});

guarantee(
  'A server that is told to end answers all that has arrived, and ends with exit code 0.',
  async (t) => {
    const dir = ownIndexes('drained');
    const draining = await startServer(t, ['--indexes', dir, '--workers', '1', '--drain-ms', '1500']);
    const to = clientOf(draining);
    await to.query('pins', { vector: randomVector(0) });
    const asked = Array.from({ length: 30 }, (_, i) =>
      to.query('pins', { vector: randomVector(i), exact: true }),
    );
    const written = to.upsert('pins', { pins: [{ id: 'last', vector: randomVector(1) }] });
    await Promise.race(asked);
    const ended = draining.stop();
    await draining.said(/SIGTERM/);
    assert.equal((await exchange(`${draining.url}/readyz`)).status, 503);
    const late = to.query('pins', { vector: randomVector(99) });
    for (const { hits } of await Promise.all([...asked, late])) assert.equal(hits.length, 10);
    assert.equal((await written).upserted, 1);
    assert.equal(await ended, 0);
  },
);

guarantee(
  'A renewed certificate is shown without a restart; one that does not fit leaves the one before in force.',
  async (t) => {
    const tlsCert = join(folder, 'tls.crt');
    const tlsKey = join(folder, 'tls.key');
    const put = ({ cert, key }: { cert?: string; key?: string }) => {
      if (cert) writeFileSync(tlsCert, cert);
      if (key) writeFileSync(tlsKey, key);
    };
    put(makeCertificate({ name: 'one' }));
    const secure = await startServer(t, [
      '--indexes',
      indexes,
      '--workers',
      '1',
      '--tls-cert',
      tlsCert,
      '--tls-key',
      tlsKey,
    ]);
    assert.match(secure.url, /^https:/);
    /** Name of the certificate that a new connection is shown. */
    const shown = () =>
      new Promise<string>((resolve, reject) => {
        httpsRequest(`${secure.url}/readyz`, { rejectUnauthorized: false, agent: false }, (response) => {
          const { socket } = response as unknown as { socket: import('node:tls').TLSSocket };
          assert.equal(response.statusCode, 200);
          resolve(socket.getPeerCertificate().subject.CN as string);
          response.resume();
        })
          .on('error', reject)
          .end();
      });
    assert.equal(await shown(), 'one');
    const two = makeCertificate({ name: 'two' });
    put({ cert: two.cert });
    secure.child.kill('SIGHUP');
    await secure.said(/certificate not renewed, .*tlsKey/);
    assert.equal(await shown(), 'one');
    put({ key: two.key });
    secure.child.kill('SIGHUP');
    await secure.said(/certificate taken anew/);
    assert.equal(await shown(), 'two');
  },
);

guarantee(
  'Every refusal has a code of the table with its status, and tells nothing of what is inside.',
  async () => {
    const url = `${server.url}/v1/indexes/pins`;
    const vector = randomVector(1);
    const answers = await Promise.all([
      exchange(`${server.url}/nowhere`),
      exchange(`${url}/pins`, { method: 'PATCH' }),
      exchange(`${url}/pins/nobody`),
      postJson(`${url}/query`, '{'),
      postJson(`${url}/query`, { vector, k: 1e9 }),
      postJson(`${url}/query`, { vector, filter: { nothing: 1 } }),
      postJson(`${url}/query`, { vector: 'AAAA' }),
      postJson(`${url}/query`, { vector }, { 'content-type': 'text/plain' }),
      postJson(`${url}/related`, { pins: ['nobody'] }),
      postJson(`${server.url}/v1/indexes/none/query`, { vector }),
      postMsgpack(`${url}/query`, Buffer.from([0xc1])),
    ]);
    for (const { status, body } of answers) {
      assert.ok(status >= 400 && status < 500, `${status}`);
      assert.equal(ERRORS[body.code as keyof typeof ERRORS]?.status, status, body.code);
      const text = JSON.stringify(body);
      assert.doesNotMatch(text, /\.[jt]s\b|node_modules|at \w+ \(|\/tmp\//, text);
    }
    const bare = await new Promise<string>((resolve, reject) => {
      const { hostname, port } = new URL(server.url);
      let said = '';
      connect(Number(port), hostname)
        .on('data', (chunk) => {
          said += chunk;
        })
        .on('end', () => resolve(said))
        .on('error', reject)
        .end('nonsense\r\n\r\n');
    });
    assert.match(bare, /^HTTP\/1\.1 400 .*"code":"bad_request"/s);
  },
);

/** The commands of the document under a name. */
function commandsOf(name: string): string {
  const found = new RegExp(`^\`\`\`sh ${name}\n([\\s\\S]*?)^\`\`\``, 'm').exec(DOCUMENT);
  assert.ok(found, `the document has no commands to ${name}`);
  return found[1]!;
}

guarantee(
  'A backup by the commands of this page has every write up to its checkpoint, and restores by those of this page.',
  async (t) => {
    if (process.platform === 'win32') return t.skip('there is no sh');
    const dir = ownIndexes('backed-up');
    const backup = join(folder, 'backup');
    const bin = join(folder, 'bin');
    mkdirSync(bin);
    writeFileSync(join(bin, 'nearpin'), `#!/bin/sh\nexec '${process.execPath}' '${MAIN}' "$@"\n`, {
      mode: 0o755,
    });
    const sh = (commands: string, url: string) => {
      const { status, stderr } = spawnSync('sh', ['-euc', commands], {
        encoding: 'utf8',
        env: environment({ PATH: `${bin}:${process.env.PATH}`, INDEXES: dir, BACKUP: backup, URL: url }),
      });
      assert.equal(status, 0, stderr);
    };
    const lost = await startServer(t, ['--indexes', dir, '--workers', '1']);
    const to = clientOf(lost);
    const pins = Array.from({ length: 50 }, (_, i) => ({
      id: `kept-${i}`,
      vector: randomVector(i),
      payload: { i },
    }));
    await to.upsert('pins', { pins });
    await to.setAlias('shop', 'pins');
    sh(commandsOf('backup'), lost.url);
    const request = { vector: randomVector(3), k: 20, include: ['payload'] as const };
    const before = await to.query('pins', request);
    await lost.stop('SIGKILL');
    rmSync(dir, { recursive: true });
    mkdirSync(dir);
    sh(commandsOf('restore'), '');
    const restored = clientOf(await startServer(t, ['--indexes', dir, '--workers', '1']));
    assert.deepEqual((await restored.query('shop', request)).hits, before.hits);
    assert.equal((await restored.index('pins')).count, 2050);
    const { seq } = await restored.upsert('pins', { pins: [{ id: 'after', vector: randomVector(1) }] });
    assert.equal(seq, 2);
  },
);

test('every sentence of the document has a test, every test a sentence, in the same order', () => {
  const [, section = ''] = DOCUMENT.split('\n## Guarantees\n');
  const sentences = [...section.matchAll(/^\d+\. (.+(?:\n {3}.+)*)$/gm)].map(([, text]) =>
    text!.replaceAll(/\n {3}/g, ' '),
  );
  assert.deepEqual(sentences, tested);
  const numbers = [...section.matchAll(/^(\d+)\. /gm)].map(([, number]) => Number(number));
  assert.deepEqual(
    numbers,
    numbers.map((_, i) => i + 1),
  );
});
