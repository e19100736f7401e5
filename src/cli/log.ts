/**
 * What a server says on stderr while it runs: lines of JSON for whoever collects them, and plain text where somebody
 * watches.
 */
import { type DestinationStream, type Logger, pino } from 'pino';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Bytes that wait for a reader of stderr that has stopped reading; what comes then is dropped. */
const WAITING_BYTES_MAX = 16 * 1024 * 1024;

export interface ServerLog {
  readonly logger: Logger;
  /** Says something of the server itself, such as that an index is there. */
  say(text: string, level?: 'info' | 'warn'): void;
  /** Writes what waits. */
  flush(): void;
}

/**
 * @param note shows text to whoever watches; absent where nobody does
 * @param destination in place of stderr
 */
export function createLog(
  level: LogLevel,
  note: ((text: string) => void) | undefined,
  destination?: DestinationStream,
): ServerLog {
  // Written behind the requests: a full pipe must not hold up the event loop
  const stderr = pino.destination({ dest: 2, sync: false, maxLength: WAITING_BYTES_MAX });
  const options = {
    level,
    base: null,
    messageKey: 'message',
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  const logger = pino(options, destination ?? stderr);
  return {
    logger,
    say: (text, at = 'info') => (note ? note(text) : logger[at](text)),
    flush: () => {
      if (destination === undefined) stderr.flushSync();
    },
  };
}
