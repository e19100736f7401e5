/** `nearpin serve`: every index of a directory behind HTTP, until SIGTERM or SIGINT. */
import { Command } from 'commander';
import { createEngineHost } from '../../engines/engine-host.ts';
import { ExposureLog } from '../../retrieval/experiments/exposure.ts';
import { createServer } from '../../server/server.ts';
import { createCatalog } from '../catalog.ts';
import { ExposureFile } from '../exposure-file.ts';
import { jsonOption, option, type ServingOptions, servingOptions, whole } from '../options.ts';
import type { Terminal } from '../terminal.ts';
import { withCommas } from '../terminal.ts';

export interface ServeOptions extends ServingOptions {
  readonly indexes: string;
  readonly host: string;
  readonly port: number;
  readonly bodyLimitBytes?: number;
  readonly drainMs: number;
  readonly exposures?: string;
  readonly json: boolean;
}

export const serveOnlyOptions = () => [
  option('--indexes <dir>', 'directory of indexes').default('indexes'),
  option('--host <address>', 'address to listen on').default('127.0.0.1'),
  option('--port <n>', 'port to listen on; 0 picks a free one').argParser(whole(0, 65535)).default(8080),
  option('--body-limit-bytes <n>', 'largest request body').argParser(whole(1024, 1 << 30)),
  option('--drain-ms <n>', 'time between SIGTERM and the end of listening')
    .argParser(whole(0, 600_000))
    .default(0),
  option('--exposures <file>', 'append what experiments and shadows record to it; SIGHUP opens it anew'),
  ...servingOptions(),
];

export function serveCommand(terminal: Terminal): Command {
  const command = new Command('serve').description('serve the indexes of a directory over HTTP');
  for (const each of [...serveOnlyOptions(), jsonOption()]) command.addOption(each);
  return command.action((options: ServeOptions) => serve(options, terminal));
}

/** Listens, loads, says so, and returns once a signal has ended it. `onReady` hears the address. */
export async function serve(
  options: ServeOptions,
  terminal: Terminal,
  onReady?: (url: string) => void,
): Promise<void> {
  const exposureFile =
    options.exposures === undefined ? undefined : await ExposureFile.open(options.exposures);
  const host = createEngineHost(options.engine, options.workers);
  const catalog = await createCatalog(options.indexes, host, options, (index, { code, message }) =>
    terminal.note(`${index}: ${message} (${code})`),
  );
  const { timeOrigin } = performance;
  const exposures =
    exposureFile &&
    new ExposureLog(
      (records) => exposureFile.write(records),
      (error) => terminal.note(`exposures are lost: ${(error as Error).message}`),
    );
  if (exposureFile) process.on('SIGHUP', () => exposureFile.reopen());
  const server = createServer({
    catalog,
    threads: options.workers,
    ...(exposures && { exposures }),
    clock: () => timeOrigin + performance.now(),
    searchCpuS: () => host.pool.searchCpuS,
    drainDelayMs: options.drainMs,
    ...(options.bodyLimitBytes !== undefined && { bodyLimitBytes: options.bodyLimitBytes }),
  });
  const ended = new Promise<void>((resolve) => {
    let signals = 0;
    const stop = (signal: NodeJS.Signals) => {
      // Whoever asks twice does not want to wait
      if (++signals > 1) process.exit(1);
      terminal.note(`${signal}: finishing what is running`);
      resolve();
    };
    process.on('SIGTERM', stop);
    process.on('SIGINT', stop);
  });
  try {
    const url = await server.listen({ host: options.host, port: options.port });
    await catalog.load((entry, assembled) => {
      if (entry.status === 'failed') {
        terminal.note(`${entry.name}: not served: ${(entry.error as Error).message}`);
      } else if (entry.status === 'ready') {
        const { count, engine, generation } = entry.index.current().engine.describe();
        terminal.note(`${entry.name}: ${withCommas(count)} pins, generation ${generation}, engine ${engine}`);
        if (assembled?.modelError) terminal.note(`${entry.name}: no texts: ${assembled.modelError.message}`);
      }
    });
    terminal.print(options.json ? JSON.stringify({ url }) : url);
    onReady?.(url);
    await ended;
  } finally {
    await server.close();
    await exposures?.flush();
    await exposureFile?.close();
    await catalog.close();
    await host.close();
  }
}
