/**
 * A surface over a file: a request a line in, an answer or a problem a line out, in the same order. A few are under way
 * at any time and nothing else is kept, so the file's size does not matter; a job that was interrupted goes on where it was.
 */

import { NearpinClientError } from '../client/error.ts';
import { type ErrorCode, NearpinError } from '../lib/errors.ts';
import type { Problem } from '../retrieval/contract.ts';
import { toProblem } from '../retrieval/problem.ts';
import type { PinRow } from '../storage/formats/row.ts';
import type { ResumableLines } from '../storage/resumable-lines.ts';

/** Refusals that are no fault of a line's request. */
const OF_THE_JOB: ReadonlySet<string> = new Set([
  'unauthorized',
  'forbidden',
  'unknown_index',
  'too_many_writes',
]);
/** Requests under way: enough that searches of one turn of the event loop travel together. */
const UNDER_WAY = 64;

export interface BatchJob {
  readonly rows: AsyncIterable<PinRow>;
  readonly answers: ResumableLines;
  /** Answers the request of a line. */
  readonly answer: (request: unknown) => Promise<object>;
  /** Hears how many lines are answered, those of an earlier process among them. */
  readonly onProgress: (lines: number) => void;
  readonly signal: AbortSignal;
}

export interface BatchReport {
  /** Lines of the file. */
  readonly lines: number;
  /** Of those, answered by an earlier process. */
  readonly resumed: number;
  /** Lines of this process whose answer is a problem. */
  readonly problems: number;
}

/**
 * Answers every line that has no answer yet. What a line says wrong is its answer; what no line can help (a closed index, a
 * full disk) ends the job. @throws NearpinError interrupted when the signal says so; the answers so far are kept then
 */
export async function runBatchJob({
  rows,
  answers,
  answer,
  onProgress,
  signal,
}: BatchJob): Promise<BatchReport> {
  const resumed = answers.lines;
  let problems = 0;
  let read = 0;
  const underWay: Promise<string>[] = [];
  const put = async () => {
    await answers.add(await underWay.shift()!);
    onProgress(answers.lines);
  };
  /** Of one user among others, whose answer is a problem. */
  const countOrThrow = (problem: Problem) => {
    if (!isOfLine(problem)) throw new NearpinError(problem.code as ErrorCode, problem.detail, problem.errors);
    problems++;
  };
  const answerRow = async (row: PinRow): Promise<string> => {
    try {
      if ('error' in row) throw row.error;
      const answered: { readonly problem?: Problem } = await answer(row.value);
      if (answered.problem !== undefined) countOrThrow(answered.problem);
      return JSON.stringify({ line: row.row, ...answered });
    } catch (error) {
      const problem = problemOf(error);
      if (problem === undefined) throw error;
      problems++;
      return JSON.stringify({ line: row.row, problem });
    }
  };
  try {
    for await (const row of rows) {
      if (signal.aborted) break;
      if (read++ < resumed) continue;
      const answering = answerRow(row);
      // It is awaited in its turn
      answering.catch(() => {});
      underWay.push(answering);
      if (underWay.length >= UNDER_WAY) await put();
    }
    while (underWay.length > 0) await put();
  } catch (error) {
    await answers.leave();
    throw error;
  }
  if (signal.aborted) {
    await answers.leave();
    throw new NearpinError(
      'interrupted',
      `stopped after ${answers.lines} lines; the same command goes on there`,
    );
  }
  await answers.finish();
  return { lines: answers.lines, resumed, problems };
}

/** What a line's request says wrong, here or to a server; undefined for what is no fault of the line. */
function problemOf(error: unknown): Problem | undefined {
  const problem =
    error instanceof NearpinClientError
      ? error.problem
      : error instanceof NearpinError
        ? toProblem(error)
        : undefined;
  return problem !== undefined && isOfLine(problem) ? problem : undefined;
}

function isOfLine({ status, code }: Problem): boolean {
  return status < 500 && !OF_THE_JOB.has(code);
}
