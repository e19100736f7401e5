/** `nearpin serve`: every index of a directory behind HTTP, until SIGTERM or SIGINT. */
import { Command } from 'commander';
import { createEngineHost } from '../../engines/engine-host.ts';
import { ExposureLog } from '../../retrieval/experiments/exposure.ts';
import { AuditLog } from '../../server/auth/audit.ts';
import { HealthListener } from '../../server/health/health-listener.ts';
import { listen } from '../../server/listeners.ts';
import { createServer } from '../../server/server.ts';
import { addressesOf } from '../addresses.ts';
import { openAuth } from '../auth.ts';
import { createCatalog } from '../catalog.ts';
import { CertificateFiles, certificateSettings } from '../certificate-files.ts';
import { checkSettings } from '../check-settings.ts';
import { readGraphql } from '../graphql.ts';
import { JsonLinesFile } from '../json-lines-file.ts';
import { jsonOption } from '../options.ts';
import { onHangup } from '../reload.ts';
import { readSettings, type Settings, settingOptions } from '../settings.ts';
import { openTelemetry } from '../telemetry.ts';
import type { Terminal } from '../terminal.ts';
import { withCommas } from '../terminal.ts';

export function serveCommand(terminal: Terminal): Command {
  const command = new Command('serve');
  for (const each of [...settingOptions(), jsonOption()]) command.addOption(each);
  return command.action(async ({ json }: { json: boolean }) => {
    const { settings } = await readSettings(command);
    await serve(settings, { json, terminal });
  });
}

interface ServeContext {
  readonly terminal: Terminal;
  readonly json: boolean;
  /** Hears the address, and the names of what could be loaded. */
  readonly onReady?: (url: string, served: readonly string[]) => void;
}

/** Listens, loads, says so, and returns once a signal has ended it. Throws bad_config where it cannot start so. */
export async function serve(settings: Settings, { terminal, json, onReady }: ServeContext): Promise<void> {
  await checkSettings(settings);
  const addresses = addressesOf(settings);
  const telemetry = await openTelemetry(settings, terminal);
  const { log } = telemetry;
  const note = (line: string) => log.say(line);
  const exposureFile = settings.exposures ? await JsonLinesFile.open(settings.exposures) : undefined;
  const auditFile = settings.auditLog
    ? await JsonLinesFile.open(settings.auditLog, { isAudit: true })
    : undefined;
  const access = await openAuth(settings, () => Date.now(), note);
  const graphql = await readGraphql(settings);
  const background = settings.recallShare > 0;
  const host = createEngineHost(settings.engine, settings.workers, { background });
  const catalog = await createCatalog(settings.indexes, host, settings, (index, { code, message }) =>
    log.say(`${index}: ${message} (${code})`, 'warn'),
  );
  const { timeOrigin } = performance;
  const clock = () => timeOrigin + performance.now();
  const files = certificateSettings(settings);
  const certificate = files && (await CertificateFiles.open(files, { note, clock }));
  const exposures =
    exposureFile &&
    new ExposureLog(
      (records) => exposureFile.write(records),
      (error) => log.say(`exposures are lost: ${(error as Error).message}`, 'warn'),
    );
  const audit =
    auditFile &&
    new AuditLog({
      write: (records) => auditFile.write(records),
      clock: () => Date.now(),
      onFailure: (error) =>
        note(
          error === undefined
            ? 'the audit log is written again'
            : `the audit log cannot be written, nothing can be changed: ${(error as Error).message}`,
        ),
    });
  const server = createServer({
    catalog,
    threads: settings.workers,
    ...(exposures && { exposures }),
    graphql,
    clock,
    ...(certificate && { tls: certificate.context }),
    ...(access.auth && { auth: access.auth }),
    ...(audit && { audit }),
    hasAdminListener: addresses.admin !== undefined,
    logger: log.logger,
    telemetry: {
      ...telemetry.options,
      searchCpuS: host.searchCpuS,
      ...(certificate && { certificateExpiresAtMs: () => certificate.expiresAtMs }),
    },
    drainDelayMs: settings.drainMs,
    bodyLimitBytes: settings.bodyLimitBytes,
    admission: settings,
    corsOrigins: settings.corsOrigins,
    ...(settings.ratePerSecond !== undefined && { ratePerSecond: settings.ratePerSecond }),
  });
  certificate?.follow(server.server);
  if (server.adminServer) certificate?.follow(server.adminServer);
  onHangup([
    exposureFile && (() => exposureFile.reopen()),
    auditFile && (() => auditFile.reopen()),
    access.auth && access.reload,
    certificate && (() => void certificate.look(true)),
  ]);
  const ended = new Promise<void>((resolve) => {
    let signals = 0;
    const stop = (signal: NodeJS.Signals) => {
      // Whoever asks twice does not want to wait
      if (++signals > 1) process.exit(1);
      log.say(`${signal}: finishing what is running`);
      resolve();
    };
    process.on('SIGTERM', stop);
    process.on('SIGINT', stop);
  });
  let health: HealthListener | undefined;
  try {
    const { url, adminUrl } = await listen(server, addresses.api, addresses.admin);
    if (adminUrl !== undefined) note(`administration and metrics at ${adminUrl}`);
    if (addresses.health) {
      health = await HealthListener.open(addresses.health, () => server.readiness());
      note(`health at ${health.url}`);
    }
    await catalog.load((entry, assembled) => {
      if (entry.status === 'failed') {
        log.say(`${entry.name}: not served: ${(entry.error as Error).message}`, 'warn');
      } else if (entry.status === 'ready') {
        const { count, engine, generation } = entry.index.current().engine.describe();
        log.say(`${entry.name}: ${withCommas(count)} pins, generation ${generation}, engine ${engine}`);
        if (assembled?.modelError)
          log.say(`${entry.name}: no texts: ${assembled.modelError.message}`, 'warn');
      }
    });
    terminal.print(json ? JSON.stringify({ url, adminUrl, healthUrl: health?.url }) : url);
    const served = catalog.list().filter(({ status }) => status === 'ready');
    onReady?.(
      url,
      served.map(({ name }) => name),
    );
    await ended;
  } finally {
    await server.close();
    await health?.close();
    certificate?.close();
    await exposures?.flush();
    const lost = (await audit?.flush()) ?? 0;
    if (lost > 0) note(`${lost} records of the audit log are lost`);
    await exposureFile?.close();
    await auditFile?.close();
    access.close();
    await catalog.close();
    await host.close();
    await telemetry.close();
  }
}
