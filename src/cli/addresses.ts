/** Where a server may listen: what others can reach asks for keys, and keeps administration at an address of its own. */
import { BlockList, isIP } from 'node:net';
import { NearpinError } from '../lib/errors.ts';
import type { Address } from '../server/listeners.ts';

export interface AddressOptions {
  readonly host: string;
  readonly port: number;
  readonly adminHost: string;
  readonly adminPort?: number | undefined;
  readonly healthPort?: number | undefined;
  /** Either says who may do what. */
  readonly keysFile?: string | undefined;
  readonly jwks?: string | undefined;
}

const ADMIN_PORT = 8081;

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8);
LOOPBACK.addAddress('::1', 'ipv6');

/** Whether only this machine can reach it. A name other than localhost may stand for anything. */
export function isLoopback(host: string): boolean {
  const version = isIP(host);
  return version === 0 ? host === 'localhost' : LOOPBACK.check(host, version === 4 ? 'ipv4' : 'ipv6');
}

export interface Addresses {
  readonly api: Address;
  readonly admin?: Address;
  readonly health?: Address;
}

/** The listeners of a server. Throws auth_required for an address that others can reach where nothing says who may. */
export function addressesOf(options: AddressOptions): Addresses {
  const { host, port, adminHost, adminPort, healthPort } = options;
  const hasAuth = options.keysFile !== undefined || options.jwks !== undefined;
  const isPublic = !isLoopback(host);
  const api = { host, port };
  const admin = { host: adminHost, port: adminPort ?? ADMIN_PORT };
  const hasAdmin = adminPort !== undefined || isPublic;
  for (const { host: reached } of hasAdmin ? [api, admin] : [api]) {
    if (hasAuth || isLoopback(reached)) continue;
    throw new NearpinError(
      'auth_required',
      `others can reach ${reached}: give --keys-file or --jwks, or listen on 127.0.0.1`,
    );
  }
  return {
    api,
    ...(hasAdmin && { admin }),
    ...(healthPort !== undefined && { health: { host, port: healthPort } }),
  };
}
