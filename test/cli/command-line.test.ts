/** The command line as a user meets it: child processes, real files, real signals, a real server. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { drawCatalogue } from '../../src/build/catalogue.ts';
import { createClient } from '../../src/client/client.ts';
import type { RetrievalAnswer } from '../../src/retrieval/contract.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const ATTRIBUTES = JSON.stringify({
  category: 'keyword',
  board: 'keyword',
  colours: 'keyword[]',
  price: 'number',
  inStock: 'bool',
  savedAt: 'time',
});

interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(args: readonly string[], options: { env?: Record<string, string>; input?: string } = {}): Ran {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], {
    encoding: 'utf8',
    env: { ...process.env, ...options.env },
    ...(options.input !== undefined && { input: options.input }),
    timeout: 60_000,
  });
  return { status, stdout, stderr };
}

/** Starts a command that serves; resolves to its address once it has printed it. */
async function start(
  args: readonly string[],
): Promise<{ child: ChildProcess; url: string; stderr: () => string }> {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stderr = '';
  child.stderr!.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk;
  });
  const [line] = (await Promise.race([
    once(createInterface({ input: child.stdout! }), 'line'),
    once(child, 'exit').then(([code]) => Promise.reject(new Error(`exited with ${code}: ${stderr}`))),
  ])) as [string];
  return { child, url: line, stderr: () => stderr };
}

async function stop(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
  const exit = once(child, 'exit');
  child.kill(signal);
  const [code] = (await exit) as [number | null];
  return code;
}

describe('the command line', () => {
  let folder: string;
  let pins: string;
  let index: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'nearpin-cli-'));
    pins = join(folder, 'pins.jsonl');
    index = join(folder, 'indexes', 'things');
    writeFileSync(pins, Array.from(drawCatalogue(400, 7), (pin) => `${JSON.stringify(pin)}\n`).join(''));
    const built = run(['build', pins, '--out', index, '--attributes', ATTRIBUTES, '--shards', '2', '--json']);
    assert.equal(built.status, 0, built.stderr);
    const report = JSON.parse(built.stdout);
    assert.equal(report.count, 400);
    assert.equal(report.shards.length, 2);
    assert.equal(report.config.model, 'hashed-ngrams-256@1');
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('explains itself and every command, on stdout, with exit code 0', () => {
    const help = run(['--help']);
    assert.equal(help.status, 0);
    const commands = ['build', 'serve', 'query', 'inspect', 'verify', 'demo', 'upsert', 'delete'];
    commands.push('config', 'health', 'checkpoint', 'generations', 'publish', 'rollback', 'alias', 'mixer');
    for (const command of commands) {
      assert.match(help.stdout, new RegExp(`^\\s+${command}\\b`, 'm'));
      const own = run([command, '--help']);
      assert.equal(own.status, 0, command);
      assert.match(own.stdout, /Usage: nearpin/);
    }
    assert.match(run(['--version']).stdout, /^\d+\.\d+\.\d+\n$/);
  });

  it('answers wrong usage with exit code 2 and says what is wrong on stderr', () => {
    for (const args of [
      [],
      ['dance'],
      ['build', pins],
      ['build', pins, '--out', index, '--metric', 'manhattan'],
      ['build', pins, '--out', index, '--shards', '0'],
      ['build', pins, '--out', index, '--m', '3.5'],
      ['serve', '--port', '70000'],
      ['query', index, '--text', 'a', '--related', 'b'],
      ['query', index, '--text', 'a', '--filter', '{'],
      ['query', index, '--text', 'a', '--k', '0'],
      ['inspect'],
    ]) {
      const { status, stderr, stdout } = run(args);
      assert.equal(status, 2, args.join(' '));
      assert.ok(stderr.length > 0, args.join(' '));
      assert.equal(stdout, '', args.join(' '));
    }
  });

  it('answers what cannot be done with exit code 1, the reason and its code, also as JSON', () => {
    const nowhere = join(folder, 'nowhere');
    for (const args of [
      ['inspect', nowhere],
      ['query', nowhere, '--text', 'x'],
      ['serve', '--indexes', nowhere, '--port', '0'],
      ['build', join(folder, 'none.jsonl'), '--out', join(folder, 'indexes', 'none')],
    ]) {
      const { status, stderr } = run(args);
      assert.equal(status, 1, `${args.join(' ')}: ${stderr}`);
      assert.match(stderr, /nearpin: .*\(\w+\)\n$/, args.join(' '));
      assert.doesNotMatch(stderr, /\n\s+at /, 'no stack for what is no fault of the program');
    }
    const asJson = run(['inspect', nowhere, '--json']);
    assert.equal(asJson.status, 1);
    assert.equal(JSON.parse(asJson.stdout).error.code, 'unknown_index');
  });

  it('shows the settings of a server with where they come from, and checks them', () => {
    const indexes = join(folder, 'indexes');
    const shown = run(['config', '--indexes', indexes]);
    assert.equal(shown.status, 0, shown.stderr);
    assert.match(shown.stdout, /^port\s+8080\s+default$/m);
    const { settings } = JSON.parse(run(['config', '--indexes', indexes, '--json']).stdout);
    assert.deepEqual(settings.indexes, { value: indexes, from: 'flag' });
    assert.equal(run(['config', '--check', '--indexes', indexes]).stdout, 'ok\n');
    const refused = run(['config', '--check', '--indexes', join(folder, 'nowhere')]);
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /indexes: .*\(bad_config\)\n$/);
  });

  it('inspects and verifies', () => {
    const shown = run(['inspect', index]);
    assert.equal(shown.status, 0, shown.stderr);
    assert.match(shown.stdout, /pins\s+400\b/);
    const { generation, manifest, shards } = JSON.parse(run(['inspect', index, '--json']).stdout);
    assert.equal(generation, '000001');
    assert.equal(manifest.count, 400);
    assert.equal(shards.length, 2);
    const verified = run(['verify', index, '--json']);
    assert.equal(verified.status, 0, verified.stdout);
    const report = JSON.parse(verified.stdout);
    assert.deepEqual(report.problems, []);
    assert.ok(report.recall >= 0.98, `recall ${report.recall}`);
  });

  it('verify says what is damaged and exits with 1', () => {
    const copy = join(folder, 'indexes', 'damaged');
    run(['build', pins, '--out', copy, '--attributes', ATTRIBUTES]);
    truncateSync(join(copy, '000001', 'shard-000.seg'), 5000);
    const { status, stdout } = run(['verify', copy]);
    assert.equal(status, 1);
    assert.match(stdout, /corrupt_file: .*shard-000\.seg/);
    rmSync(copy, { recursive: true });
  });

  it('finds pins by text, by pin and by vector, the same on every engine', () => {
    const answers = ['wasm', 'exact', 'hnswlib'].map((engine) => {
      const { status, stdout, stderr } = run([
        'query',
        index,
        '--text',
        'terracotta planter',
        '--k',
        '5',
        '--engine',
        engine,
        '--json',
      ]);
      assert.equal(status, 0, stderr);
      return (JSON.parse(stdout) as RetrievalAnswer).hits;
    });
    assert.equal(answers[0]!.length, 5);
    assert.deepEqual(answers[1], answers[0]);
    assert.deepEqual(answers[2], answers[0]);

    const related = run(['query', index, '--related', 'pin-000003', '--k', '4']);
    assert.equal(related.status, 0, related.stderr);
    assert.equal(related.stdout.trimEnd().split('\n').length, 5);
    assert.doesNotMatch(related.stdout, /pin-000003/);

    const byWords = run(['query', index, '--text', 'teracota plantr', '--mode', 'lexical', '--json']);
    assert.equal(byWords.status, 0, byWords.stderr);
    const { hits } = JSON.parse(byWords.stdout) as RetrievalAnswer;
    assert.equal(hits.length, 10);
    assert.ok(hits.every(({ source }) => source === 'text:lexical'));
    assert.equal(run(['query', index, '--related', 'pin-000003', '--mode', 'hybrid']).status, 1);

    const fields = '{"sources": {"seeds": {"strategy": "perSeed"}}}';
    const two = run(['query', index, '--related', 'pin-000003', 'pin-000004', '--fields', fields, '--json']);
    assert.deepEqual(
      [...new Set(JSON.parse(two.stdout).hits.map(({ source }: { source: string }) => source))].sort(),
      ['seeds:pin-000003', 'seeds:pin-000004'],
    );

    const file = join(folder, 'vector.json');
    writeFileSync(file, JSON.stringify(Array.from({ length: 256 }, (_, i) => Math.sin(i))));
    const found = run(['query', index, '--vector', file, '--k', '3', '--exact', '--json']);
    assert.equal(JSON.parse(found.stdout).hits.length, 3);

    const few = ['query', index, '--vector', file, '--filter', '{"price": {"$lt": 20}}'];
    const explained = run([...few, '--explain']);
    assert.equal(explained.status, 0, explained.stderr);
    assert.match(
      explained.stdout,
      /shard +plan +ef +share +matching +mask +distances +hops\n0 +(graph|scan|two-hop) /,
    );
    assert.doesNotMatch(run(few).stdout, /plan/);

    const unknown = run(['query', index, '--related', 'nobody']);
    assert.equal(unknown.status, 1);
    assert.match(unknown.stderr, /unknown_pin/);
  });

  it('takes every flag from the environment, too, and lets the flag win', () => {
    const args = ['query', index, '--text', 'lamp', '--json'];
    const hits = (ran: Ran) => (JSON.parse(ran.stdout) as RetrievalAnswer).hits.length;
    assert.equal(hits(run(args, { env: { NEARPIN_K: '3' } })), 3);
    assert.equal(hits(run([...args, '--k', '2'], { env: { NEARPIN_K: '3' } })), 2);
    assert.equal(run(args, { env: { NEARPIN_K: 'many' } }).status, 2);
  });

  it('refuses a bad line by file and number, or leaves it out and lists it', () => {
    const file = join(folder, 'bad.jsonl');
    writeFileSync(
      file,
      '{"id":"a","vector":[1,2]}\n{"id":"b","vector":[1]}\nnonsense\n{"id":"c","vector":[2,1]}\n',
    );
    const out = join(folder, 'indexes', 'bad');
    const refused = run(['build', file, '--out', out]);
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /bad\.jsonl:2/);
    const skipped = run(['build', file, '--out', out, '--skip-bad', '--json']);
    assert.equal(skipped.status, 0, skipped.stderr);
    const report = JSON.parse(skipped.stdout);
    assert.equal(report.count, 2);
    assert.equal(report.bad, 2);
    assert.match(skipped.stderr, /bad\.jsonl:2[\s\S]*bad\.jsonl:3/);
    rmSync(out, { recursive: true });
  });

  it('builds from standard input', () => {
    const out = join(folder, 'indexes', 'piped');
    const { status, stdout, stderr } = run(['build', '-', '--out', out, '--attributes', ATTRIBUTES], {
      input: readFileSync(pins, 'utf8'),
    });
    assert.equal(status, 0, stderr);
    assert.match(stdout, /400 pins of 256 dimensions in 1 shard/);
    rmSync(out, { recursive: true });
  });

  it('serves until SIGTERM, then exits with 0; one damaged index does not keep the others', async () => {
    const damaged = join(folder, 'indexes', 'torn');
    run(['build', pins, '--out', damaged, '--attributes', ATTRIBUTES]);
    truncateSync(join(damaged, '000001', 'manifest.json'), 100);
    const { child, url, stderr } = await start([
      'serve',
      '--indexes',
      join(folder, 'indexes'),
      '--port',
      '0',
      '--workers',
      '2',
    ]);
    try {
      assert.match(url, /^http:\/\/127\.0\.0\.1:\d+$/);
      const client = createClient({ url });
      const { hits } = await client.search('things', { text: 'terracotta planter', k: 5 });
      assert.equal(hits.length, 5);
      // Written behind what else the server does
      for (let i = 0; i < 100 && !stderr().includes('torn'); i++) await sleep(20);
      assert.match(stderr(), /torn: not served: .*manifest\.json/);
      await assert.rejects(client.search('torn', { text: 'x' }), { code: 'corrupt_file' });
      const remote = run([
        'query',
        'things',
        '--text',
        'terracotta planter',
        '--k',
        '5',
        '--url',
        url,
        '--json',
      ]);
      assert.equal(remote.status, 0, remote.stderr);
      assert.deepEqual(
        (JSON.parse(remote.stdout) as RetrievalAnswer).hits.map((hit) => hit.id),
        hits.map((hit) => hit.id),
      );
    } finally {
      assert.equal(await stop(child), 0);
    }
    rmSync(damaged, { recursive: true });
  });

  it('answers what is in flight before it ends', async () => {
    const { child, url } = await start([
      'serve',
      '--indexes',
      join(folder, 'indexes'),
      '--port',
      '0',
      '--workers',
      '1',
      '--drain-ms',
      '1000',
    ]);
    const client = createClient({ url, retries: 0 });
    await client.search('things', { text: 'warm up' });
    const running = Array.from({ length: 20 }, (_, i) =>
      client.search('things', { text: `thing ${i}`, exact: true }),
    );
    // Those whose connection is not accepted yet come in while the server drains
    await Promise.race(running);
    const code = stop(child);
    const answers = await Promise.all(running);
    assert.ok(answers.every(({ hits }) => hits.length === 10));
    assert.equal(await code, 0);
  });

  it('writes, checkpoints, publishes and rolls back, in this process and at a server', async () => {
    const indexes = join(folder, 'live');
    const live = join(indexes, 'things');
    assert.equal(run(['build', pins, '--out', live, '--attributes', ATTRIBUTES]).status, 0);
    const more = join(folder, 'more.jsonl');
    const lines = [
      { id: 'extra-1', text: 'a teal ukulele', payload: { title: 'Ukulele' } },
      { id: 'extra-2', text: 'a teal harmonica' },
    ];
    writeFileSync(more, lines.map((line) => JSON.stringify(line)).join('\n'));
    const json = (...args: string[]) => {
      const { status, stdout, stderr } = run([...args, '--json']);
      assert.equal(status, 0, stderr);
      return JSON.parse(stdout);
    };
    const first = (...more: string[]) =>
      json('query', live, '--text', 'teal ukulele', '--k', '1', ...more).hits[0].id;
    assert.deepEqual(json('upsert', live, more), { seq: 1, upserted: 2 });
    assert.equal(first(), 'extra-1');
    writeFileSync(more, `{"id": "extra-3", "text": "x"}\n{"id": "nobody", "payload": 1}\n`);
    const refused = run(['upsert', live, more]);
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /more\.jsonl:2: .*unknown_pin/s);

    const { child, url } = await start(['serve', '--indexes', indexes, '--port', '0', '--workers', '1']);
    try {
      const at = ['--url', url];
      assert.equal(first(...at), 'extra-1');
      assert.equal(run(['upsert', live, more]).status, 1, 'the server writes to it');
      assert.equal(json('checkpoint', live, ...at).generation, '000002');
      assert.deepEqual(json('delete', live, 'extra-1', 'nobody', ...at), { seq: 2, deleted: 1 });
      assert.notEqual(first(...at), 'extra-1');
      assert.equal(json('rollback', live, ...at).generation, '000001');
      assert.notEqual(first(...at), 'extra-1');
      const elsewhere = join(folder, 'elsewhere');
      assert.equal(run(['build', pins, '--out', elsewhere, '--attributes', ATTRIBUTES]).status, 0);
      const from = ['--from', join(elsewhere, '000001')];
      const locked = run(['publish', live, ...from]);
      assert.match(locked.stderr, /index_locked/, 'the server writes to it');
      assert.ok(!existsSync(join(live, '000003')), 'and no copy stays');
      const unknown = run(['publish', join(folder, 'things'), ...from, ...at]);
      assert.match(unknown.stderr, /unknown_index/, 'it has to be the directory');
      assert.ok(!existsSync(join(folder, 'things')));
      assert.equal(json('publish', live, ...from, ...at).generation, '000003');
      const listed = json('generations', live, ...at).generations;
      assert.deepEqual(
        listed.map(({ generation, isCurrent }: { generation: string; isCurrent: boolean }) => [
          generation,
          isCurrent,
        ]),
        [
          ['000001', false],
          ['000002', false],
          ['000003', true],
        ],
      );
      assert.equal(json('query', live, '--text', 'teal harmonica', '--k', '1', ...at).hits[0].id, 'extra-2');
      assert.deepEqual(json('alias', 'shop', 'things', ...at).aliases, [{ alias: 'shop', index: 'things' }]);
      assert.equal(
        json('query', 'shop', '--text', 'teal harmonica', '--k', '1', ...at).hits[0].id,
        'extra-2',
      );
    } finally {
      assert.equal(await stop(child), 0);
    }
    assert.deepEqual(json('alias', '--indexes', indexes).aliases, [{ alias: 'shop', index: 'things' }]);
    assert.deepEqual(json('alias', 'shop', '--remove', '--indexes', indexes).aliases, []);
    const built = run(['build', pins, '--out', live, '--attributes', ATTRIBUTES, '--no-publish', '--json']);
    assert.equal(JSON.parse(built.stdout).generation, '000004');
    assert.equal(json('inspect', live).generation, '000003');
  });

  it('an interrupted build exits with 1 and leaves the index as it was', async () => {
    const before = readdirSync(index).sort();
    const many = join(folder, 'many.jsonl');
    writeFileSync(many, Array.from(drawCatalogue(20_000, 1), (pin) => `${JSON.stringify(pin)}\n`).join(''));
    const child = spawn(process.execPath, [MAIN, 'build', many, '--out', index, '--attributes', ATTRIBUTES]);
    while (!readdirSync(index).some((name) => name.startsWith('.staging'))) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.equal(await stop(child, 'SIGINT'), 1);
    assert.deepEqual(readdirSync(index).sort(), before);
    assert.equal(run(['verify', index]).status, 0);
  });

  it('answers for everybody in a file, goes on after an interruption, and names bad lines', async () => {
    const users = join(folder, 'users.jsonl');
    const out = join(folder, 'users.notifications.jsonl');
    const lines = Array.from({ length: 3000 }, (_, i) => {
      const id = `pin-${String(i % 300).padStart(6, '0')}`;
      return i === 17 ? 'not JSON' : JSON.stringify({ user: `u${i}`, history: [id] });
    });
    writeFileSync(users, `${lines.join('\n')}\n`);
    const args = [
      'batch',
      users,
      '--index',
      index,
      '--request',
      '{"maxAge": null, "minScore": -1}',
      '--k',
      '2',
    ];
    const child = spawn(process.execPath, [MAIN, ...args]);
    // The first lines are written together
    while (!existsSync(`${out}.part`) || readFileSync(`${out}.part`).length === 0) {
      assert.equal(child.exitCode, null);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    assert.equal(await stop(child, 'SIGINT'), 1);
    assert.equal(existsSync(out), false);
    const kept = readFileSync(`${out}.part`, 'utf8');

    const { resumed, problems } = JSON.parse(run([...args, '--json']).stdout);
    assert.ok(resumed > 0 && resumed < 3000, `${resumed} lines were answered before`);
    assert.equal(resumed, kept.split('\n').length - 1);
    assert.equal(problems, kept.includes('problem') ? 0 : 1);
    const answers = readFileSync(out, 'utf8').trimEnd().split('\n');
    assert.ok(`${answers.join('\n')}\n`.startsWith(kept));
    for (const [i, text] of answers.entries()) {
      const { line, user, hits, problem } = JSON.parse(text);
      assert.equal(line, i + 1);
      if (i === 17) assert.equal(problem.code, 'bad_pin');
      else assert.deepEqual([user, hits.length], [`u${i}`, 2]);
    }
    assert.equal(answers.length, 3000);
    assert.equal(run(['batch', users, '--indexes', join(folder, 'nowhere')]).status, 1);
  });

  it('the demo makes its catalogue once, serves it, and says what to try', async () => {
    const indexes = join(folder, 'demo');
    const demo = ['demo', '--indexes', indexes, '--pins', '300', '--port', '0'];
    const first = await start(demo);
    try {
      const page = await fetch(`${first.url}/`);
      assert.equal(page.status, 200);
      assert.match(page.headers.get('content-type') ?? '', /text\/html/);
      assert.match(first.stderr(), /building/);
      const suggested = /-d '(\{.*\})'/.exec(first.stderr())![1]!;
      const answer = await fetch(`${first.url}/v1/indexes/demo/search`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: suggested,
      });
      assert.equal(answer.status, 200);
      assert.ok(((await answer.json()) as RetrievalAnswer).hits.length > 0);
    } finally {
      assert.equal(await stop(first.child, 'SIGINT'), 0);
    }
    assert.ok(existsSync(join(indexes, 'demo-pins.jsonl')));
    const second = await start(demo);
    assert.doesNotMatch(second.stderr(), /building/);
    assert.equal(await stop(second.child), 0);
  });
});
