/**
 * The one table of errors. Every refusal of nearpin carries a code from here; the code is the contract
 * (scripts and clients switch on it), the message is for people and may change.
 */

/** A place in the input that is wrong: `path` as in `pins[3].vector[7]`. */
export interface ErrorDetail {
  readonly path: string;
  readonly message: string;
}

interface ErrorKind {
  /** HTTP status with which the server answers. */
  readonly status: number;
  /** Short, the same for every occurrence. */
  readonly title: string;
}

export const ERRORS = {
  bad_request: { status: 400, title: 'The request is not valid' },
  bad_json: { status: 400, title: 'The body is not valid JSON' },
  bad_msgpack: { status: 400, title: 'The body is not valid msgpack' },
  bad_dim: { status: 400, title: 'The vector has the wrong number of dimensions' },
  bad_vector: { status: 400, title: 'The vector holds a value that cannot be searched' },
  zero_vector: { status: 400, title: 'A zero vector has no direction, so cosine cannot compare it' },
  bad_pin_id: { status: 400, title: 'The pin id is not valid' },
  bad_attribute: { status: 400, title: 'The attribute does not fit its declared type' },
  bad_filter: { status: 400, title: 'The filter is not valid' },
  bad_config: { status: 400, title: 'The index config is not valid' },
  limit_exceeded: { status: 400, title: 'A value is over its limit' },
  model_mismatch: { status: 409, title: 'The vector was made by another model than the index' },
  no_model: { status: 409, title: 'The index has no model, so it cannot search by text' },
  write_conflict: { status: 409, title: 'The pin is not as the write asks for' },
  log_trimmed: { status: 409, title: 'The updates after the generation are no longer kept' },
  index_exists: { status: 409, title: 'There is such an index already' },
  read_only_engine: { status: 409, title: 'The engine does not take writes' },
  index_locked: { status: 409, title: 'Another process writes to the index' },
  unauthorized: { status: 401, title: 'Authentication is needed' },
  forbidden: { status: 403, title: 'What is asked for is not granted' },
  unknown_key: { status: 404, title: 'There is no such API key' },
  unknown_index: { status: 404, title: 'There is no such index' },
  unknown_generation: { status: 404, title: 'There is no such generation' },
  unknown_alias: { status: 404, title: 'There is no such alias' },
  unknown_pin: { status: 404, title: 'There is no such pin' },
  unknown_operation: { status: 404, title: 'There is no such operation on the list' },
  unknown_route: { status: 404, title: 'There is no such route' },
  method_not_allowed: { status: 405, title: 'The route does not take this method' },
  not_acceptable: { status: 406, title: 'None of the accepted media types can be produced' },
  body_too_large: { status: 413, title: 'The body is over its limit' },
  unsupported_media_type: { status: 415, title: 'The media type of the body is not supported' },
  misdirected_request: { status: 421, title: 'The server does not go by this name' },
  bad_pin: { status: 422, title: 'The pin is not valid' },
  bad_case: { status: 422, title: 'The case of an evaluation is not valid' },
  bad_file: { status: 422, title: 'An input file is damaged or of a kind that is not read' },
  duplicate_pin: { status: 422, title: 'The pin id occurs more than once in the input' },
  rate_limited: { status: 429, title: 'More requests came than may be made' },
  too_many_writes: { status: 429, title: 'More writes are waiting than are taken' },
  too_many_measurements: { status: 429, title: 'The recall of an index is measured once at a time' },
  shard_full: { status: 507, title: 'The shard has reached its memory limit' },
  disk_full: { status: 507, title: 'The disk takes no more writes' },
  not_enough_memory: { status: 507, title: 'The index does not fit the memory that there is' },
  corrupt_file: { status: 503, title: 'A file of the index is damaged' },
  unsupported_version: { status: 503, title: 'A file was written by a newer version' },
  missing_file: { status: 503, title: 'A file is missing' },
  core_trap: { status: 500, title: 'The search core stopped on a fault' },
  deadline_exceeded: { status: 504, title: 'The deadline passed before there was an answer' },
  overloaded: { status: 503, title: 'The server has more work than it can take' },
  auth_unavailable: { status: 503, title: 'What tokens are checked by cannot be had' },
  audit_unavailable: { status: 503, title: 'Changes cannot be recorded' },
  not_ready: { status: 503, title: 'Not ready to answer yet' },
  closed: { status: 503, title: 'The index is closed' },
  model_unavailable: { status: 503, title: 'The embedding model cannot be loaded' },
  engine_unavailable: { status: 503, title: 'The engine is not installed' },
  not_supported: { status: 501, title: 'The engine does not support this operation' },
  interrupted: { status: 500, title: 'The job was interrupted; nothing was changed' },
  low_recall: { status: 500, title: 'Recall on a sample is below what was demanded' },
  auth_required: { status: 500, title: 'A server that others can reach needs authentication' },
  io_error: { status: 500, title: 'Reading or writing a file failed' },
  internal: { status: 500, title: 'An unexpected fault' },
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof ERRORS;

/** An error of nearpin's own: a code of the table, a sentence, and where in the input it lies. */
export class NearpinError extends Error {
  override readonly name = 'NearpinError';
  readonly code: ErrorCode;
  readonly details: readonly ErrorDetail[];

  constructor(
    code: ErrorCode,
    message: string,
    details: readonly ErrorDetail[] = [],
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.code = code;
    this.details = details;
  }

  get status(): number {
    return ERRORS[this.code].status;
  }
}

/** Makes an error about one place of the input, the whole of it when the path is empty. */
export function errorAt(code: ErrorCode, path: string, message: string): NearpinError {
  return new NearpinError(code, path === '' ? message : `${path}: ${message}`, [{ path, message }]);
}

/** What crosses a thread or a socket in place of a NearpinError. */
export interface ErrorRecord {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details: readonly ErrorDetail[];
}

export function toErrorRecord(error: unknown): ErrorRecord {
  if (error instanceof NearpinError)
    return { code: error.code, message: error.message, details: error.details };
  return { code: 'internal', message: error instanceof Error ? error.message : String(error), details: [] };
}

export function fromErrorRecord(record: ErrorRecord): NearpinError {
  return new NearpinError(record.code, record.message, record.details);
}
