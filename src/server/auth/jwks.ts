/**
 * The keys of an issuer: a JWKS that is given, or one behind a URL. That one is fetched every ten minutes and when a token
 * names a key that it does not have. While it cannot be fetched, the keys that there are hold for an hour; then, and for a
 * key that is not among them, the answer is auth_unavailable: the server does not know, so it neither lets in nor
 * says that the token is wrong.
 */
import { createLocalJWKSet, createRemoteJWKSet, customFetch, type JWTVerifyGetKey } from 'jose';
import { NearpinError } from '../../lib/errors.ts';

/** Finds the key that a token was signed with; rejects with an error of jose, or auth_unavailable. */
export type TokenKeys = JWTVerifyGetKey;

const RENEW_MS = 10 * 60_000;
const HOLD_MS = 60 * 60_000;
/** Between two fetches because of a key that is not there. */
const COOLDOWN_MS = 30_000;
/** After a fetch that failed, in which none is tried. */
const REST_MS = 5_000;
const TIMEOUT_MS = 5_000;
const BYTES_MAX = 1024 * 1024;

/** Keys of a parsed JWKS. Throws an error of jose when it is none. */
export function givenKeys(jwks: unknown): TokenKeys {
  return createLocalJWKSet(jwks as Parameters<typeof createLocalJWKSet>[0]);
}

export interface FetchedKeysOptions {
  readonly fetch?: typeof fetch;
  /** Epoch ms. */
  readonly clock: () => number;
  /** Hears why the first fetch after a good one, or at the beginning, has failed. */
  readonly onFailure: (error: unknown) => void;
}

export class FetchedKeys {
  readonly keys: TokenKeys;
  readonly #renewing: NodeJS.Timeout;

  /** Fetches at once, and then until `close`. */
  constructor(url: URL, { fetch: send = fetch, clock, onFailure }: FetchedKeysOptions) {
    let isFailing = false;
    let restsUntilMs = 0;
    // What happened inside is nobody's business outside
    const unavailable = (cause?: unknown) =>
      new NearpinError('auth_unavailable', "The issuer's keys cannot be had", [], { cause });
    const set = createRemoteJWKSet(url, {
      cacheMaxAge: HOLD_MS,
      cooldownDuration: COOLDOWN_MS,
      timeoutDuration: TIMEOUT_MS,
      [customFetch]: async (address, options) => {
        if (isFailing && clock() < restsUntilMs) throw unavailable();
        try {
          const text = await fetchText(send, address, options as RequestInit);
          givenKeys(JSON.parse(text));
          isFailing = false;
          return new Response(text);
        } catch (error) {
          if (!isFailing) onFailure(error);
          isFailing = true;
          restsUntilMs = clock() + REST_MS;
          throw unavailable(error);
        }
      },
    });
    this.keys = set;
    // Who needs a key meets the failure; here it has been told
    const renew = () => void set.reload().catch(() => {});
    this.#renewing = setInterval(renew, RENEW_MS);
    this.#renewing.unref();
    renew();
  }

  close(): void {
    clearInterval(this.#renewing);
  }
}

/** The body of a 200, no longer than it may be. */
async function fetchText(send: typeof fetch, address: string, options: RequestInit): Promise<string> {
  const response = await send(address, options);
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new Error(`status ${response.status}`);
  }
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > BYTES_MAX) throw new Error(`more than ${BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
