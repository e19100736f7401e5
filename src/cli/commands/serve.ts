/** `nearpin serve`: every index of a directory behind HTTP, until SIGTERM or SIGINT. */
import { Command } from 'commander';
import { createEngineHost } from '../../engines/engine-host.ts';
import { ExposureLog } from '../../retrieval/experiments/exposure.ts';
import { createServer } from '../../server/server.ts';
import { createCatalog } from '../catalog.ts';
import { CertificateFiles, certificateSettings } from '../certificate-files.ts';
import { checkSettings } from '../check-settings.ts';
import { ExposureFile } from '../exposure-file.ts';
import { readGraphql } from '../graphql.ts';
import { jsonOption } from '../options.ts';
import { onHangup } from '../reload.ts';
import { readSettings, type Settings, settingOptions } from '../settings.ts';
import type { Terminal } from '../terminal.ts';
import { withCommas } from '../terminal.ts';

export function serveCommand(terminal: Terminal): Command {
  const command = new Command('serve').description('serve the indexes of a directory over HTTP');
  for (const each of [...settingOptions(), jsonOption()]) command.addOption(each);
  return command.action(async ({ json }: { json: boolean }) => {
    const { settings } = await readSettings(command);
    await serve(settings, { json, terminal });
  });
}

interface ServeContext {
  readonly terminal: Terminal;
  readonly json: boolean;
  /** Hears the address. */
  readonly onReady?: (url: string) => void;
}

/** Listens, loads, says so, and returns once a signal has ended it. Throws bad_config where it cannot start so. */
export async function serve(settings: Settings, { terminal, json, onReady }: ServeContext): Promise<void> {
  await checkSettings(settings);
  const exposureFile =
    settings.exposures === undefined ? undefined : await ExposureFile.open(settings.exposures);
  const graphql = await readGraphql(settings);
  const host = createEngineHost(settings.engine, settings.workers);
  const catalog = await createCatalog(settings.indexes, host, settings, (index, { code, message }) =>
    terminal.note(`${index}: ${message} (${code})`),
  );
  const { timeOrigin } = performance;
  const clock = () => timeOrigin + performance.now();
  const files = certificateSettings(settings);
  const certificate = files && (await CertificateFiles.open(files, { note: terminal.note, clock }));
  const exposures =
    exposureFile &&
    new ExposureLog(
      (records) => exposureFile.write(records),
      (error) => terminal.note(`exposures are lost: ${(error as Error).message}`),
    );
  const server = createServer({
    catalog,
    threads: settings.workers,
    ...(exposures && { exposures }),
    graphql,
    clock,
    ...(certificate && { tls: certificate.context }),
    searchCpuS: () => host.pool.searchCpuS,
    drainDelayMs: settings.drainMs,
    bodyLimitBytes: settings.bodyLimitBytes,
    admission: settings,
    corsOrigins: settings.corsOrigins,
    ...(settings.ratePerSecond !== undefined && { ratePerSecond: settings.ratePerSecond }),
  });
  certificate?.follow(server.server);
  onHangup([
    exposureFile && (() => exposureFile.reopen()),
    certificate && (() => void certificate.look(true)),
  ]);
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
    const url = await server.listen({ host: settings.host, port: settings.port });
    await catalog.load((entry, assembled) => {
      if (entry.status === 'failed') {
        terminal.note(`${entry.name}: not served: ${(entry.error as Error).message}`);
      } else if (entry.status === 'ready') {
        const { count, engine, generation } = entry.index.current().engine.describe();
        terminal.note(`${entry.name}: ${withCommas(count)} pins, generation ${generation}, engine ${engine}`);
        if (assembled?.modelError) terminal.note(`${entry.name}: no texts: ${assembled.modelError.message}`);
      }
    });
    terminal.print(json ? JSON.stringify({ url }) : url);
    onReady?.(url);
    await ended;
  } finally {
    await server.close();
    certificate?.close();
    await exposures?.flush();
    await exposureFile?.close();
    await catalog.close();
    await host.close();
  }
}
