/** What can be seen of a server, as the settings say: its log, its traces, what it replays. */
import type { TelemetryOptions } from '../server/telemetry/telemetry.ts';
import { Tracing } from '../server/telemetry/tracing.ts';
import { createLog, type ServerLog } from './log.ts';
import type { Settings } from './settings.ts';
import type { Terminal } from './terminal.ts';
import { version } from './version.ts';

/** Replays are drawn alike by every process. */
const REPLAY_SEED = 1;

export interface OpenTelemetry {
  readonly log: ServerLog;
  /** Of the server, but for what its engine knows. */
  readonly options: TelemetryOptions;
  /** Sends and writes what waits. */
  close(): Promise<void>;
}

/** Rejects with not_supported when traces are asked for and their packages are not installed. */
export async function openTelemetry(settings: Settings, terminal: Terminal): Promise<OpenTelemetry> {
  const { logLevel, accessLog, slowQueryMs, tracesShare, recallShare } = settings;
  const log = createLog(logLevel, terminal.isWatched ? (text) => terminal.note(text) : undefined);
  const url = settings.traces ?? process.env.OTEL_EXPORTER_OTLP_ENDPOINT;
  const tracing = url === undefined ? undefined : await Tracing.open({ url, share: tracesShare, version });
  return {
    log,
    options: {
      version,
      slowQueryMs,
      accessLog,
      ...(recallShare > 0 && { recall: { share: recallShare, seed: REPLAY_SEED } }),
      ...(tracing && { tracing }),
    },
    close: async () => {
      await tracing?.close().catch((error: Error) => log.say(`traces are lost: ${error.message}`, 'warn'));
      log.flush();
    },
  };
}
