/** A surface over a file: order, bad lines, going on, and how many requests are under way. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { runBatchJob } from '../../src/cli/batch-job.ts';
import { type ErrorCode, errorAt, NearpinError } from '../../src/lib/errors.ts';
import { Prng } from '../../src/lib/prng.ts';
import { toProblem } from '../../src/retrieval/problem.ts';
import { readJsonLines } from '../../src/storage/formats/json-lines.ts';
import { ResumableLines } from '../../src/storage/resumable-lines.ts';

const dir = mkdtempSync(join(tmpdir(), 'nearpin-batch-'));
after(() => rmSync(dir, { recursive: true, force: true }));

async function* bytes(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}
const rowsOf = (text: string) => readJsonLines(bytes(text), 'users');
const never = new AbortController().signal;
const read = (path: string) =>
  readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { line: number; n?: number; problem?: { code: string } });

describe('runBatchJob', () => {
  it('answers in order, a problem for each bad line', async () => {
    const path = join(dir, 'order');
    const prng = new Prng(1);
    const text = `${Array.from({ length: 300 }, (_, i) => (i === 7 ? '{"n": 7' : `{"n": ${i}}`)).join('\n')}\n`;
    const shown: number[] = [];
    let underWay = 0;
    let most = 0;
    const report = await runBatchJob({
      rows: rowsOf(text),
      answers: await ResumableLines.open(path, 'a'),
      answer: async (request) => {
        most = Math.max(most, ++underWay);
        await sleep(prng.below(3));
        underWay--;
        const { n } = request as { n: number };
        if (n === 11) throw errorAt('bad_pin_id', 'history[0]', 'must not be empty');
        return { n };
      },
      onProgress: (lines) => shown.push(lines),
      signal: never,
    });
    assert.deepEqual(report, { lines: 300, resumed: 0, problems: 2 });
    const answers = read(path);
    assert.deepEqual(
      answers.map(({ line }) => line),
      Array.from({ length: 300 }, (_, i) => i + 1),
    );
    assert.equal(answers[7]!.problem!.code, 'bad_pin');
    assert.equal(answers[11]!.problem!.code, 'bad_pin_id');
    assert.equal(answers[299]!.n, 299);
    assert.deepEqual(
      shown,
      answers.map(({ line }) => line),
    );
    assert.ok(most > 1 && most <= 64, `${most} under way`);
  });

  it("counts a user's problem as the line's, and ends with one that no line can help", async () => {
    const path = join(dir, 'users');
    const problem = (code: ErrorCode) => toProblem(new NearpinError(code, 'it is so', []));
    const run = async (code: ErrorCode) =>
      runBatchJob({
        rows: rowsOf('{"user": "a"}\n{"user": "b"}\n'),
        answers: await ResumableLines.open(path, code),
        answer: async (request) => {
          const { user } = request as { user: string };
          return user === 'b' ? { user, problem: problem(code) } : { user, hits: [] };
        },
        onProgress: () => {},
        signal: never,
      });
    assert.deepEqual(await run('bad_pin_id'), { lines: 2, resumed: 0, problems: 1 });
    assert.deepEqual(read(path)[1], { line: 2, user: 'b', problem: problem('bad_pin_id') });
    await assert.rejects(run('overloaded'), { code: 'overloaded', message: 'it is so' });
  });

  it('goes on after an interruption without asking again', async () => {
    const path = join(dir, 'resumed');
    const text = Array.from({ length: 500 }, (_, i) => `{"n": ${i}}\n`).join('');
    const asked: number[] = [];
    const stop = new AbortController();
    const run = async (signal: AbortSignal) =>
      runBatchJob({
        rows: rowsOf(text),
        answers: await ResumableLines.open(path, 'a'),
        answer: async (request) => {
          const { n } = request as { n: number };
          asked.push(n);
          if (n === 200) stop.abort();
          return { n };
        },
        onProgress: () => {},
        signal,
      });
    await assert.rejects(run(stop.signal), { code: 'interrupted' });
    const { resumed, lines } = await run(never);
    assert.equal(resumed, 201);
    assert.equal(lines, 500);
    assert.deepEqual(
      asked,
      Array.from({ length: 500 }, (_, i) => i),
    );
    assert.deepEqual(
      read(path).map(({ n }) => n),
      asked,
    );
  });

  it('ends when the index is closed, and keeps what it has', async () => {
    const path = join(dir, 'closed');
    const text = Array.from({ length: 100 }, (_, i) => `{"n": ${i}}\n`).join('');
    const answers = await ResumableLines.open(path, 'a');
    const job = {
      rows: rowsOf(text),
      answers,
      answer: async (request: unknown) => {
        if ((request as { n: number }).n === 50) throw new NearpinError('closed', 'the index is closed');
        return {};
      },
      onProgress: () => {},
      signal: never,
    };
    await assert.rejects(runBatchJob(job), { code: 'closed' });
    assert.equal((await ResumableLines.open(path, 'a')).lines, 50);
  });
});
