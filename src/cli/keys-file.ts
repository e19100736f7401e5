/**
 * The file of API keys: `{"version": 1, "keys": [{"id", "name", "sha256", "scopes", "indexes", "created", "expires"}]}`. It
 * holds no key, only the digest of each. A change replaces it whole; the new file is made under a name that one process
 * can have at a time, so that no change is lost to another one.
 */
import { randomBytes } from 'node:crypto';
import { chown, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { checkRecord } from '../index/shape.ts';
import { parseTime } from '../index/time.ts';
import { errorAt, NearpinError } from '../lib/errors.ts';
import { composeKey, digestOf, KEY_BYTES, type Key, KeyTable } from '../server/auth/keys.ts';
import { isScope, SCOPES, type Scope } from '../server/auth/principal.ts';
import { fileError } from '../storage/file-error.ts';
import { syncPath } from '../storage/sync-path.ts';
import { INDEX_NAME } from './catalog.ts';
import { readJsonAs, readJsonIfThere } from './json-file.ts';

const VERSION = 1;
const KEYS_MAX = 10_000;
const INDEXES_MAX = 1_000;
const NAME = /^[\w.@:/-]{1,64}$/;
const ID = /^[0-9a-f]{16}$/;
const SHA_256 = /^[0-9a-f]{64}$/;

/** A key as the file has it. */
export interface KeyRecord {
  readonly id: string;
  /** What audit logs call it. */
  readonly name: string;
  readonly sha256: string;
  readonly scopes: readonly Scope[];
  /** Names of indexes and aliases. */
  readonly indexes: '*' | readonly string[];
  /** ISO 8601, as `expires`. */
  readonly created: string;
  /** Absent for a key without end. */
  readonly expires?: string;
}

const FIELDS = ['id', 'name', 'sha256', 'scopes', 'indexes', 'created', 'expires'];

/** Throws bad_file, with the path of what is wrong. */
function parseRecords(input: unknown): readonly KeyRecord[] {
  const { version, keys } = checkRecord(input, ['version', 'keys'], '', 'bad_file');
  if (version !== VERSION) throw errorAt('bad_file', 'version', `must be ${VERSION}`);
  if (!Array.isArray(keys) || keys.length > KEYS_MAX)
    throw errorAt('bad_file', 'keys', `must be a list of at most ${KEYS_MAX} keys`);
  const taken = new Set<string>();
  return keys.map((entry: unknown, i) => {
    const record = parseRecord(entry, `keys[${i}]`);
    for (const field of ['id', 'name'] as const) {
      const mark = `${field} ${record[field]}`;
      if (taken.has(mark)) throw errorAt('bad_file', `keys[${i}].${field}`, 'is the same as of a key before');
      taken.add(mark);
    }
    return record;
  });
}

function parseRecord(input: unknown, path: string): KeyRecord {
  const record = checkRecord(input, FIELDS, path, 'bad_file');
  const demand = (field: string, isRight: boolean, message: string) => {
    if (!isRight) throw errorAt('bad_file', `${path}.${field}`, message);
  };
  const fits = (value: unknown, pattern: RegExp) => typeof value === 'string' && pattern.test(value);
  const { id, name, sha256, scopes, indexes, created, expires } = record;
  demand('id', fits(id, ID), 'must be 16 hex digits');
  demand('name', fits(name, NAME), 'must be letters, digits and . _ - @ : /, at most 64 of them');
  demand('sha256', fits(sha256, SHA_256), 'must be 64 hex digits');
  const isScopes = Array.isArray(scopes) && scopes.length > 0 && scopes.every(isScope);
  demand('scopes', isScopes, `must be a list of ${SCOPES.join(', ')}`);
  const isList =
    Array.isArray(indexes) && indexes.length <= INDEXES_MAX && indexes.every((one) => fits(one, INDEX_NAME));
  demand('indexes', indexes === '*' || isList, `must be "*", or a list of at most ${INDEXES_MAX} names`);
  demand('created', parseTime(created) !== undefined, 'must be a time (ISO 8601)');
  demand('expires', expires === undefined || parseTime(expires) !== undefined, 'must be a time (ISO 8601)');
  return record as unknown as KeyRecord;
}

function keyOf({ id, name, sha256, scopes, indexes, expires }: KeyRecord): Key {
  return {
    id,
    digest: Buffer.from(sha256, 'hex'),
    principal: {
      kind: 'key',
      id: name,
      scopes: new Set(scopes),
      indexes: indexes === '*' ? indexes : new Set(indexes),
    },
    expiresAtMs: expires === undefined ? Number.POSITIVE_INFINITY : parseTime(expires)!,
  };
}

/** What a server knows of keys from a parsed file. Throws bad_file, with the path of what is wrong. */
export const parseKeys = (input: unknown): KeyTable => new KeyTable(parseRecords(input).map(keyOf));

/** The keys of a file. Throws bad_file, bad_config when it is no JSON, or io_error. */
export const readKeys = (path: string): Promise<readonly KeyRecord[]> => readJsonAs(path, parseRecords);

/** What a new key is to be. */
export type NewKey = Pick<KeyRecord, 'name' | 'scopes' | 'indexes'> & { readonly expiresAtMs?: number };

/**
 * Adds a key; the file is made where there is none.
 * @returns the key itself, which is nowhere else, and what is kept of it
 * Throws bad_request for a name that is taken, and as readKeys.
 */
export async function addKey(
  path: string,
  { name, scopes, indexes, expiresAtMs }: NewKey,
  nowMs: number,
): Promise<{ key: string; record: KeyRecord }> {
  const { id, key } = composeKey(randomBytes(KEY_BYTES));
  const record: KeyRecord = {
    id,
    name,
    sha256: digestOf(key).toString('hex'),
    scopes,
    indexes,
    created: new Date(nowMs).toISOString(),
    ...(expiresAtMs !== undefined && { expires: new Date(expiresAtMs).toISOString() }),
  };
  await change(path, (records) => {
    if (records.some((other) => other.name === name))
      throw errorAt('bad_request', 'name', `there is a key ${name} already`);
    return [...records, record];
  });
  return { key, record };
}

/** Takes a key away. Throws unknown_key, and as readKeys. */
export async function revokeKey(path: string, name: string): Promise<void> {
  await change(path, (records) => {
    const left = records.filter((record) => record.name !== name);
    if (left.length === records.length) throw new NearpinError('unknown_key', `there is no key ${name}`);
    return left;
  });
}

/** Replaces the file, durably, by what `next` makes of its records; it is for its owner alone. */
async function change(
  path: string,
  next: (records: readonly KeyRecord[]) => readonly KeyRecord[],
): Promise<void> {
  const temporary = `${path}.new`;
  const file = await open(temporary, 'wx', 0o600).catch((error) => {
    if (error.code !== 'EEXIST') throw fileError(error, path, null);
    throw new NearpinError(
      'io_error',
      `${temporary} is there: another process changes the keys, or one was killed while it did; then remove it`,
      [],
      { cause: error },
    );
  });
  try {
    try {
      const input = await readJsonIfThere(path);
      const records = next(input === undefined ? [] : parseRecords(input));
      const text = `${JSON.stringify({ version: VERSION, keys: records }, null, 2)}\n`;
      // What was written is held to what will be read
      parseRecords(JSON.parse(text));
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await keepOwner(path, temporary);
    await rename(temporary, path);
    await syncPath(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true });
    throw fileError(error, path, null);
  }
}

/** A file that another user owns, who runs the server, stays that user's when root changes it. */
async function keepOwner(path: string, temporary: string): Promise<void> {
  if (process.getuid?.() !== 0) return;
  const before = await stat(path).catch(() => undefined);
  if (before) await chown(temporary, before.uid, before.gid);
}
