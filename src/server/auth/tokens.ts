/**
 * Tokens: JWTs that an issuer signed with a key of its JWKS (RFC 7519, 7517), checked by jose. Only algorithms with a
 * public and a private key can be allowed, so that nobody signs with what everybody knows. A token names who asks
 * (`sub`), ends (`exp`), is of the issuer and for the audience that are configured, and says what it grants:
 * `scope`, words between spaces, of which other ones than ours are left alone, and `indexes`, a list of names or `*`;
 * without it the token grants none.
 *
 * What was checked is believed for a minute by the SHA-256 of the token: a signature costs a hundred times a digest.
 */
import { hash } from 'node:crypto';
import { errors, type JWTPayload, jwtVerify } from 'jose';
import { NearpinError } from '../../lib/errors.ts';
import { Believed } from './believed.ts';
import type { TokenKeys } from './jwks.ts';
import { isScope, type Principal } from './principal.ts';

export const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
] as const;
export type Algorithm = (typeof ALGORITHMS)[number];

export interface TokenOptions {
  /** Of the issuer. */
  readonly keys: TokenKeys;
  readonly issuer: string;
  readonly audience: string;
  readonly algorithms: readonly Algorithm[];
  /** By how much clocks may differ. */
  readonly clockToleranceS: number;
  /** Epoch ms. */
  readonly clock: () => number;
}

/** Begins to check a signature, when it is called: rejects with unauthorized or auth_unavailable. */
export type Check = () => Promise<Principal>;

/** Longer ones are refused unread. */
const TOKEN_CHARS_MAX = 8192;
const SUBJECT_CHARS_MAX = 256;
const INDEXES_MAX = 1000;
export const BELIEVED_MS = 60_000;
const BELIEVED_MAX = 10_000;

export class TokenVerifier {
  readonly #options: TokenOptions;
  /** By digest. */
  readonly #believed = new Believed<Principal>(BELIEVED_MAX);

  constructor(options: TokenOptions) {
    this.#options = options;
  }

  /** Who a token speaks for, or what is to be done to know. Throws unauthorized. */
  authenticate(token: string): Principal | Check {
    if (token.length > TOKEN_CHARS_MAX) throw new NearpinError('unauthorized', 'The token is too long');
    const digest = hash('sha256', token, 'base64');
    return this.#believed.get(digest, this.#options.clock()) ?? (() => this.#verify(token, digest));
  }

  async #verify(token: string, digest: string): Promise<Principal> {
    const { keys, issuer, audience, algorithms, clockToleranceS, clock } = this.#options;
    let claims: JWTPayload;
    try {
      const verified = await jwtVerify(token, keys, {
        issuer,
        audience,
        algorithms: [...algorithms],
        clockTolerance: clockToleranceS,
        currentDate: new Date(clock()),
        requiredClaims: ['sub', 'exp'],
      });
      claims = verified.payload;
    } catch (error) {
      throw toRefusal(error);
    }
    const principal = principalOf(claims);
    const endsMs = (claims.exp! + clockToleranceS) * 1000;
    this.#believed.set(digest, principal, Math.min(clock() + BELIEVED_MS, endsMs));
    return principal;
  }
}

/** What is wrong with the token is told; that its key cannot be had, or cannot be used, is no fault of the token. */
function toRefusal(error: unknown): NearpinError {
  if (error instanceof NearpinError) return error;
  if (error instanceof errors.JOSEError)
    return new NearpinError('unauthorized', `The token is refused: ${error.message}`, [], { cause: error });
  return new NearpinError('auth_unavailable', "The issuer's keys cannot be used", [], { cause: error });
}

/** Throws unauthorized for claims that are not of the kind they should be. */
function principalOf({ sub, scope, indexes }: JWTPayload): Principal {
  if (typeof sub !== 'string' || sub === '' || sub.length > SUBJECT_CHARS_MAX) throw badClaim('sub');
  if (scope !== undefined && typeof scope !== 'string') throw badClaim('scope');
  const words: readonly string[] = scope?.split(' ') ?? [];
  return { kind: 'token', id: sub, scopes: new Set(words.filter(isScope)), indexes: granted(indexes) };
}

function granted(claim: unknown): Principal['indexes'] {
  if (claim === undefined) return new Set();
  if (claim === '*') return '*';
  const isList = Array.isArray(claim) && claim.length <= INDEXES_MAX;
  if (!isList || claim.some((name) => typeof name !== 'string')) throw badClaim('indexes');
  return claim.includes('*') ? '*' : new Set(claim as string[]);
}

const badClaim = (name: string): NearpinError =>
  new NearpinError('unauthorized', `The token is refused: its claim "${name}" is not of the right kind`);
