/** From the Authorization header of a request to who asks: a key or a token as a bearer (RFC 6750). */
import { NearpinError } from '../../lib/errors.ts';
import { isKey, type KeyTable } from './keys.ts';
import type { Principal } from './principal.ts';
import type { Check, TokenVerifier } from './tokens.ts';

export interface Authenticator {
  /** Whose header this is, or, for a token that has not been seen before, how to find out. Throws unauthorized. */
  authenticate(authorization: string | undefined): Principal | Check;
}

export interface AuthenticatorOptions {
  /** The keys that are in force; looked up for each request. */
  readonly keys?: (() => KeyTable) | undefined;
  readonly tokens?: TokenVerifier | undefined;
  /** Epoch ms. */
  readonly clock: () => number;
}

/** The scheme may be written in any case (RFC 9110, section 11.1). */
const BEARER = /^bearer +([\w.~+/=-]+)$/i;

export function createAuthenticator({ keys, tokens, clock }: AuthenticatorOptions): Authenticator {
  return {
    authenticate(authorization) {
      if (authorization === undefined)
        throw new NearpinError('unauthorized', 'Give a key as `Authorization: Bearer KEY`');
      const text = BEARER.exec(authorization)?.[1];
      if (text === undefined)
        throw new NearpinError('unauthorized', 'The Authorization header is not `Bearer KEY`');
      if (keys !== undefined && isKey(text)) return keys().authenticate(text, clock());
      if (tokens !== undefined) return tokens.authenticate(text);
      throw new NearpinError('unauthorized', 'The key is not known');
    },
  };
}
