/** Keys for servers of tests: a key for each of what a principal may have. */
import { randomBytes } from 'node:crypto';
import { createAuthenticator } from '../../src/server/auth/authenticate.ts';
import { composeKey, digestOf, KEY_BYTES, type Key, KeyTable } from '../../src/server/auth/keys.ts';
import type { Scope } from '../../src/server/auth/principal.ts';

export class TestKeys {
  #keys: Key[] = [];
  readonly auth = createAuthenticator({ keys: () => new KeyTable(this.#keys), clock: () => 0 });

  /** The headers of whoever has a new key of this name. */
  add(name: string, scopes: readonly Scope[], indexes: '*' | readonly string[] = '*') {
    const { id, key } = composeKey(randomBytes(KEY_BYTES));
    const principal = {
      kind: 'key' as const,
      id: name,
      scopes: new Set(scopes),
      indexes: indexes === '*' ? indexes : new Set(indexes),
    };
    this.#keys.push({ id, digest: digestOf(key), principal, expiresAtMs: Number.POSITIVE_INFINITY });
    return { authorization: `Bearer ${key}` };
  }
}
