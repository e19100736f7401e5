/** Asserting that something is refused: with which code, and at which place. */
import assert from 'node:assert/strict';
import { type ErrorCode, NearpinError } from '../../src/lib/errors.ts';

function checkRefusal(error: unknown, code: ErrorCode, path: string | undefined): void {
  assert.ok(error instanceof NearpinError, `expected a refusal with ${code}, got ${(error as Error)?.stack}`);
  assert.equal(error.code, code, error.message);
  if (path !== undefined) assert.equal(error.details[0]?.path, path, error.message);
}

/** Asserts that `action` throws a NearpinError of this code, about this path when one is given. */
export function refuses(action: () => unknown, code: ErrorCode, path?: string): void {
  let result: unknown;
  try {
    result = action();
  } catch (error) {
    checkRefusal(error, code, path);
    return;
  }
  assert.fail(`expected a refusal with ${code}, got ${JSON.stringify(result)}`);
}

/** The same of a promise. */
export async function rejects(promise: Promise<unknown>, code: ErrorCode, path?: string): Promise<void> {
  let result: unknown;
  try {
    result = await promise;
  } catch (error) {
    checkRefusal(error, code, path);
    return;
  }
  assert.fail(`expected a refusal with ${code}, got ${JSON.stringify(result)}`);
}
