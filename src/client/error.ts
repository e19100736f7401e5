/** What the client throws: the server's problem, or what kept the client from getting an answer. */
import type { ErrorCode } from '../lib/errors.ts';
import type { Problem } from '../retrieval/contract.ts';

/** A code of the server's table, or one of the client's own: no connection, or an answer it cannot read. */
export type ClientErrorCode = ErrorCode | 'connection_failed' | 'bad_answer';

export class NearpinClientError extends Error {
  override readonly name = 'NearpinClientError';
  readonly code: ClientErrorCode;
  /** HTTP status; undefined when there was no answer. */
  readonly status: number | undefined;
  /** The server's problem details, where it sent some. */
  readonly problem: Problem | undefined;
  /** What the server asks to wait before the next attempt. */
  readonly retryAfterMs: number | undefined;

  constructor(
    code: ClientErrorCode,
    message: string,
    more: { status?: number; problem?: Problem; retryAfterMs?: number; cause?: unknown } = {},
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.code = code;
    this.status = more.status;
    this.problem = more.problem;
    this.retryAfterMs = more.retryAfterMs;
  }
}
