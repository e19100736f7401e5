/** From what a server was told to who may do what: the file of keys, and the keys of an issuer of tokens. */
import { errorAt } from '../lib/errors.ts';
import { type Authenticator, createAuthenticator } from '../server/auth/authenticate.ts';
import { FetchedKeys, givenKeys, type TokenKeys } from '../server/auth/jwks.ts';
import type { KeyTable } from '../server/auth/keys.ts';
import { ALGORITHMS, type Algorithm, TokenVerifier } from '../server/auth/tokens.ts';
import { isLoopback } from './addresses.ts';
import { FollowedFiles } from './followed-files.ts';
import { readJsonAs } from './json-file.ts';
import { parseKeys } from './keys-file.ts';

export interface AuthOptions {
  readonly keysFile?: string | undefined;
  /** A file, or a URL. */
  readonly jwks?: string | undefined;
  readonly jwtIssuer?: string | undefined;
  readonly jwtAudience?: string | undefined;
  /** Names between commas. */
  readonly jwtAlgorithms: string;
  readonly jwtToleranceS: number;
}

export interface OpenAuth {
  /** Absent where nothing says who may do what. */
  readonly auth?: Authenticator;
  /** Takes the files as they are now. */
  reload(): void;
  close(): void;
}

/**
 * Takes options that `checkAuth` let pass. Rejects when a file is not good: with bad_file, bad_config or io_error. `note`
 * hears of what is taken later on, and of what is not.
 */
export async function openAuth(
  options: AuthOptions,
  clock: () => number,
  note: (line: string) => void,
): Promise<OpenAuth> {
  const files: Pick<FollowedFiles<object>, 'look' | 'close'>[] = [];
  const follow = async <Value extends object>(path: string, parse: (input: unknown) => Value) => {
    const file = await FollowedFiles.open([path], {
      read: () => readJsonAs(path, parse),
      onChange: () => note(`${path} has changed, and is in force`),
      onProblem: ({ message }) => note(`what there was before ${path} changed is in force: ${message}`),
    });
    files.push(file);
    return file;
  };
  const { keysFile, jwks } = options;
  let fetched: FetchedKeys | undefined;
  const close = () => {
    for (const file of files) file.close();
    fetched?.close();
  };
  const reload = () => {
    for (const file of files) void file.look(true);
  };
  try {
    const keys: FollowedFiles<KeyTable> | undefined = keysFile
      ? await follow(keysFile, parseKeys)
      : undefined;
    let issuerKeys: TokenKeys | undefined;
    if (jwks !== undefined && isUrl(jwks)) {
      fetched = new FetchedKeys(new URL(jwks), {
        clock,
        onFailure: (error) => note(`${jwks} cannot be fetched: ${(error as Error).message}`),
      });
      issuerKeys = fetched.keys;
    } else if (jwks !== undefined) {
      const file = await follow(jwks, parseJwks);
      issuerKeys = (header, token) => file.value(header, token);
    }
    if (keys === undefined && issuerKeys === undefined) return { reload, close };
    const tokens =
      issuerKeys &&
      new TokenVerifier({
        keys: issuerKeys,
        issuer: options.jwtIssuer!,
        audience: options.jwtAudience!,
        algorithms: algorithmsOf(options),
        clockToleranceS: options.jwtToleranceS,
        clock,
      });
    const auth = createAuthenticator({ keys: keys && (() => keys.value), tokens, clock });
    return { auth, reload, close };
  } catch (error) {
    close();
    throw error;
  }
}

/** Throws bad_config for settings that do not go together, naming one. */
export function checkAuth(options: AuthOptions): void {
  const { jwks } = options;
  if (jwks === undefined) return;
  algorithmsOf(options);
  for (const name of ['jwtIssuer', 'jwtAudience'] as const)
    if (options[name] === undefined)
      throw errorAt('bad_config', name, 'is needed beside jwks: what was made for others is not for here');
  if (isUrl(jwks) && !isSafe(jwks)) throw errorAt('bad_config', 'jwks', 'must be a file or an https URL');
}

/** Without https whoever is in between could hand in keys of their own. */
function isSafe(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname } = new URL(text);
  return protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname.replace(/^\[|\]$/g, '')));
}

const isUrl = (text: string): boolean => /^[a-z]+:\/\//i.test(text);

function algorithmsOf({ jwtAlgorithms }: AuthOptions): Algorithm[] {
  const isKnown = (name: string): name is Algorithm => (ALGORITHMS as readonly string[]).includes(name);
  const names = jwtAlgorithms.split(',').map((name) => name.trim());
  if (!names.every(isKnown)) throw errorAt('bad_config', 'jwtAlgorithms', `are of ${ALGORITHMS.join(', ')}`);
  return names;
}

/** Throws bad_file. */
function parseJwks(input: unknown): TokenKeys {
  try {
    return givenKeys(input);
  } catch (error) {
    throw errorAt('bad_file', '', `is no JWKS: ${(error as Error).message}`);
  }
}
