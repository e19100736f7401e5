/** The commands and programs that the documents show are run: every curl, and every piece of JavaScript. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { curlOf } from '../../src/server/docs/reference-page.ts';
import { catalogServer } from '../support/documented-server.ts';
import { exchange } from '../support/http.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const SHOWN = 'http://127.0.0.1:8080';
const DIM = 256;

const files = [
  'README.md',
  ...readdirSync(join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];
const blocks = files.flatMap((file) =>
  [...readFileSync(join(ROOT, file), 'utf8').matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(
    ([, language, text]) => ({
      file,
      language,
      text: text!,
    }),
  ),
);
const commands = blocks
  .filter(({ language }) => language === '' || language === 'sh')
  .flatMap(({ file, text }) =>
    // As a shell reads it: to the end of the line, unless that is in quotes or behind a backslash
    [...text.matchAll(/^curl (?:'[^']*'|\\\n|[^'\n])*/gm)]
      .map(([command]) => ({ file, line: command.replaceAll(/\\\n\s*/g, '') }))
      // With `…` in it, it shows where something goes
      .filter(({ line }) => line.includes(`${SHOWN}/v1/`)),
  );
const programs = blocks.filter(({ language }) => language === 'js');

/** What a curl command asks for; the few options that the documents use. */
function parseCurl(line: string) {
  const words = [...line.matchAll(/'((?:[^']|'\\'')*)'|(\S+)/g)].map(
    ([, quoted, bare]) => quoted?.replaceAll("'\\''", "'") ?? bare!,
  );
  let url = '';
  let method: string | undefined;
  let body: string | undefined;
  const headers: Record<string, string> = {};
  for (let i = 1; i < words.length; i++) {
    const word = words[i]!;
    if (word === '-s') continue;
    if (word === '-X') method = words[++i];
    else if (word === '-d') body = words[++i];
    else if (word === '-H') {
      const [name, value] = words[++i]!.split(': ');
      headers[name!] = value!;
    } else if (word.startsWith('http')) url = word;
    else throw new Error(`${word} in ${line}`);
  }
  return {
    url,
    init: { method: method ?? (body === undefined ? 'GET' : 'POST'), headers, ...(body && { body }) },
  };
}

describe('what the documents show', () => {
  let server: Awaited<ReturnType<typeof catalogServer>>;
  let dir: string;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'nearpin-snippets-'));
    server = await catalogServer();
    const put = async (path: string, body: object) => {
      const answer = await exchange(server.url + path, {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      assert.equal(answer.status, 200, JSON.stringify(answer.body));
    };
    await put('/v1/indexes/pins', {
      dim: DIM,
      model: 'hashed-ngrams',
      attributes: {
        price: 'number',
        colours: 'keyword[]',
        category: 'keyword',
        board: 'keyword',
        created: 'time',
      },
    });
    const pins = Array.from({ length: 60 }, (_, i) => ({
      id: `pin-${String(i).padStart(6, '0')}`,
      text: `${['brass', 'sage', 'black'][i % 3]} ${['reading lamp', 'chair'][i % 2]} ${i}`,
      attributes: {
        price: i,
        colours: [['brass', 'sage', 'black'][i % 3]],
        category: 'lamps',
        board: `b${i % 7}`,
        created: '2026-11-01',
      },
      payload: { title: `Pin ${i}` },
    }));
    await put('/v1/indexes/pins/pins', { pins });
    await exchange(`${server.url}/v1/indexes/pins/checkpoint`, { method: 'POST' });
  });
  after(async () => {
    await server.close();
    await rm(dir, { recursive: true, force: true });
  });

  it('is something to run', () => {
    assert.ok(commands.length > 0 && programs.length > 0, `${commands.length} and ${programs.length}`);
  });

  for (const { file, line } of commands)
    it(`${file}: ${line.slice(0, 90)}`, async () => {
      const { url, init } = parseCurl(line);
      const { status, body } = await exchange(url.replace(SHOWN, server.url), init);
      assert.equal(status, 200, JSON.stringify(body));
    });

  for (const [i, { file, text }] of programs.entries())
    it(`${file}: program ${i + 1}`, async () => {
      const here = join(dir, `program-${i}`);
      mkdirSync(join(here, 'node_modules'), { recursive: true });
      symlinkSync(ROOT, join(here, 'node_modules', 'nearpin'), 'dir');
      // The server has the index open for writing; the program gets its own
      cpSync(join(server.dir, 'indexes'), join(here, 'indexes'), {
        recursive: true,
        filter: (path) => !path.endsWith('/WRITER'),
      });
      const given = `const vector = new Float32Array(${DIM}).fill(0.1);\n`;
      writeFileSync(
        join(here, 'program.mjs'),
        text.replace(SHOWN, server.url).replace(/^(?!import)/m, `${given}`),
      );
      await promisify(execFile)(process.execPath, ['program.mjs'], { cwd: here, timeout: 60_000 });
    });

  it('the commands of /docs are read back as what they were made of', () => {
    const example = {
      operation: 'x',
      name: 'x',
      summary: '',
      params: { index: 'pins' },
      body: { text: "it's" },
      answer: {},
    };
    const { url, init } = parseCurl(curlOf(example, 'PUT', '/v1/indexes/{index}').replaceAll(/\\\n\s*/g, ''));
    assert.deepEqual([url, init.method, init.body], [`${SHOWN}/v1/indexes/pins`, 'PUT', '{"text":"it\'s"}']);
  });
});
