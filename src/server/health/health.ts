/** What a probe is answered. */
import { toProblem } from '../../retrieval/problem.ts';

export interface Health {
  readonly status: number;
  readonly body: string;
}

/** @param error as it leaves the server: what is of status 500 is not told */
export function refusedHealth(error: unknown): Health {
  const problem = toProblem(error);
  return { status: problem.status, body: JSON.stringify(problem) };
}
