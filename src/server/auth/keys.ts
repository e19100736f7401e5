/**
 * API keys: `np_`, 16 hex digits that name the key, `_`, and 256 random bits in base64url. Nothing of a key is kept but
 * its name and the SHA-256 of its whole text. A slow hash is for secrets that people choose, which can be guessed; 256
 * random bits cannot, however fast a guess is checked, and every request would pay for it.
 */
import { hash, timingSafeEqual } from 'node:crypto';
import { NearpinError } from '../../lib/errors.ts';
import type { Principal } from './principal.ts';

const PREFIX = 'np_';
const ID_BYTES = 8;
const SECRET_BYTES = 32;
const ID_END = PREFIX.length + 2 * ID_BYTES;
/** Base64url of 32 bytes has 43 characters. */
const KEY_CHARS = ID_END + 1 + 43;

/** Random bytes that `composeKey` takes. */
export const KEY_BYTES = ID_BYTES + SECRET_BYTES;

/** A new key from random bytes, and the id within it. */
export function composeKey(random: Buffer): { id: string; key: string } {
  const id = random.toString('hex', 0, ID_BYTES);
  return { id, key: `${PREFIX}${id}_${random.toString('base64url', ID_BYTES, KEY_BYTES)}` };
}

/** What is kept of a key. */
export const digestOf = (key: string): Buffer => hash('sha256', key, 'buffer');

/** Whether a text is meant as an API key. */
export const isKey = (text: string): boolean => text.length === KEY_CHARS && text.startsWith(PREFIX);

export interface Key {
  readonly id: string;
  /** 32 bytes. */
  readonly digest: Uint8Array;
  readonly principal: Principal;
  /** Epoch ms from which on it is not valid any more; Infinity for a key without end. */
  readonly expiresAtMs: number;
}

/** Stands in for the digest of a key that is not there, so that this takes as long as a wrong secret. */
const NO_DIGEST = new Uint8Array(32);
/** The digest of the key that is being looked at: to have a new buffer for each made would double the time. */
const digest = Buffer.alloc(32);

/** Made once: to note for each of a flood where it was thrown costs more than to find out that it is to be. */
const NOT_KNOWN = new NearpinError('unauthorized', 'The key is not known');
const EXPIRED = new NearpinError('unauthorized', 'The key has expired');

export class KeyTable {
  readonly #keys: ReadonlyMap<string, Key>;

  constructor(keys: Iterable<Key>) {
    this.#keys = new Map(Array.from(keys, (key) => [key.id, key]));
  }

  /** Whose key this is. Throws unauthorized for one that is not in the table, or has expired. */
  authenticate(text: string, nowMs: number): Principal {
    const key = this.#keys.get(text.slice(PREFIX.length, ID_END));
    digest.write(hash('sha256', text, 'binary'), 'latin1');
    const isSame = timingSafeEqual(digest, key?.digest ?? NO_DIGEST);
    if (key === undefined || !isSame) throw NOT_KNOWN;
    if (nowMs >= key.expiresAtMs) throw EXPIRED;
    return key.principal;
  }
}
