/** Packages that are installed in bench/peers only, and only by who wants to measure them. */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { NearpinError } from '../../src/lib/errors.ts';

/** Compiled, this file lies in the output's bench/engines; the peers are beside the sources. */
const PEERS = new URL('../../../bench/peers/', import.meta.url);

export interface PeerOptions {
  /** Folder below bench/peers that it is installed in. */
  readonly folder?: string;
  /** What has to be done to get it. */
  readonly how?: string;
}

export interface Peer<T> {
  readonly library: T;
  readonly version: string;
}

/** A package. Throws engine_unavailable, saying how to get it. */
export function loadPeer<T>(name: string, options: PeerOptions = {}): Promise<Peer<T>> {
  return peer(name, options, async (folder) => createRequire(new URL('package.json', folder))(name) as T);
}

/** The same of a file of a package that cannot be required. */
export function importPeer<T>(name: string, file: string): Promise<Peer<T>> {
  return peer(
    name,
    {},
    (folder) => import(new URL(`node_modules/${name}/${file}`, folder).href) as Promise<T>,
  );
}

async function peer<T>(
  name: string,
  { folder = './', how = '`npm ci` in bench/peers installs it' }: PeerOptions,
  load: (folder: URL) => Promise<T>,
): Promise<Peer<T>> {
  const installed = new URL(folder, PEERS);
  const manifest = new URL(`node_modules/${name}/package.json`, installed);
  if (!existsSync(manifest)) throw new NearpinError('engine_unavailable', `${name} is not installed; ${how}`);
  try {
    // Read and not required: packages need not export it
    const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string };
    return { library: await load(installed), version };
  } catch (cause) {
    const reason = (cause as Error).message.split('\n', 1)[0];
    throw new NearpinError('engine_unavailable', `${name} cannot be loaded: ${reason}`, [], { cause });
  }
}
