/**
 * A server in a process of its own, over indexes of a directory, as `nearpin serve` puts it together; it tells its parent
 * what it holds, and every fault that it logs.
 */
import { readdirSync, readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import type { FastifyBaseLogger } from 'fastify';
import { createCatalog } from '../../src/cli/catalog.ts';
import { createEngineHost } from '../../src/engines/engine-host.ts';
import { SCOPES } from '../../src/server/auth/principal.ts';
import { createServer } from '../../src/server/server.ts';
import { TestKeys } from '../support/keys.ts';

/** What the process holds when nobody asks anything of it. */
export interface ServerState {
  readonly connections: number;
  readonly descriptors: number;
  /** Open handles and requests of Node, by kind. */
  readonly resources: Readonly<Record<string, number>>;
  readonly heapBytes: number;
  /** Resident: of all threads, shards included; and of files, which are the log and the pin store. */
  readonly anonymousBytes: number;
  readonly fileBytes: number;
}

export type ChildMessage =
  | { readonly port: number; readonly keys: Readonly<Record<string, string>> }
  | { readonly state: ServerState }
  | { readonly fault: string };

const REQUEST_TIMEOUT_MS = 5_000;
const BODY_LIMIT_BYTES = 256 * 1024;
/** What is asked is odd and not too much: nothing is to be refused because of what else is asked. */
const ADMISSION = { maxWaitMs: 60_000, maxInFlight: 1024 };

const say = (message: ChildMessage) => process.send!(message);
const log = () => {};
const logger: FastifyBaseLogger = {
  level: 'error',
  silent: log,
  fatal: (error: unknown) => say({ fault: String((error as Error)?.stack ?? error) }),
  error: ({ err }: { err: unknown }) => say({ fault: String((err as Error)?.stack ?? err) }),
  warn: log,
  info: log,
  debug: log,
  trace: log,
  child: () => logger,
};

const [, , indexesDir] = process.argv;
const host = createEngineHost('wasm', 1);
const catalog = await createCatalog(indexesDir!, host, {}, log);
await catalog.load(log);
const known = new TestKeys();
/** Authorization headers: of each scope alone, and of all. */
const keys = Object.fromEntries([
  ...SCOPES.map((scope) => [scope, known.add(scope, [scope]).authorization] as const),
  ['all', known.add('all', SCOPES).authorization] as const,
]);
const app = createServer({
  auth: known.auth,
  catalog,
  logger,
  clock: () => performance.timeOrigin + performance.now(),
  telemetry: { searchCpuS: host.searchCpuS },
  requestTimeoutMs: REQUEST_TIMEOUT_MS,
  bodyLimitBytes: BODY_LIMIT_BYTES,
  admission: ADMISSION,
  graphql: { introspection: false },
});
await app.listen({ port: 0, host: '127.0.0.1' });

let isClosing = false;
// Nobody asks for it any more
process.on('disconnect', () => {
  if (!isClosing) process.exit(1);
});
process.on('message', async (asked) => {
  if (asked === 'state') {
    for (let i = 0; i < 4; i++) {
      global.gc!();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const connections = await new Promise<number>((resolve, reject) =>
      app.server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
    );
    const resources: Record<string, number> = {};
    for (const name of process.getActiveResourcesInfo()) resources[name] = (resources[name] ?? 0) + 1;
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    const status = readFileSync('/proc/self/status', 'utf8');
    const resident = (kind: string) =>
      Number(new RegExp(`^${kind}:\\s+(\\d+) kB$`, 'm').exec(status)![1]) * 1024;
    const descriptors = readdirSync('/proc/self/fd').length;
    say({
      state: {
        connections,
        descriptors,
        resources,
        heapBytes: heapUsed + arrayBuffers,
        anonymousBytes: resident('RssAnon'),
        fileBytes: resident('RssFile'),
      },
    });
  } else if (asked === 'close') {
    isClosing = true;
    await app.close();
    await catalog.close();
    await host.close();
    // What still holds the process now is a leak, and the parent sees that it does not end
    process.disconnect();
  }
});
say({ port: (app.server.address() as AddressInfo).port, keys });
