/** `nearpin health`: whether the server that has these settings is ready, for who starts it: a container's healthcheck. */
import { get as getHttp, type IncomingMessage } from 'node:http';
import { get as getHttps } from 'node:https';
import { text } from 'node:stream/consumers';
import { Command } from 'commander';
import { errorAt, NearpinError } from '../../lib/errors.ts';
import { urlOf } from '../../server/listeners.ts';
import { jsonOption } from '../options.ts';
import { readSettings, type Settings, settingOptions } from '../settings.ts';
import type { Terminal } from '../terminal.ts';

const TIMEOUT_MS = 4000;
/** Addresses that stand for all of the machine, and one of them. */
const ALL: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };

export function healthCommand(terminal: Terminal): Command {
  const command = new Command('health');
  for (const each of [...settingOptions(), jsonOption()]) command.addOption(each);
  return command.action(async ({ json }: { json: boolean }) => {
    const { settings } = await readSettings(command);
    const url = readinessUrl(settings);
    const { status, answer } = await ask(url);
    if (status !== 200)
      throw new NearpinError('not_ready', `${url} answers with ${status}: ${detailOf(answer)}`);
    terminal.print(json ? answer : 'ready');
  });
}

/** At the listener of health where there is one. */
function readinessUrl({ host, port, healthPort, tlsCert }: Settings): URL {
  const [name, asked] = healthPort === undefined ? ['port', port] : ['healthPort', healthPort];
  if (asked === 0) throw errorAt('bad_config', name, 'is 0: the one that was taken is not known here');
  const scheme = tlsCert === undefined || healthPort !== undefined ? 'http' : 'https';
  return new URL('/readyz', urlOf(scheme, { host: ALL[host] ?? host, port: asked }));
}

/** Rejects with not_ready where nothing answers in time. */
async function ask(url: URL): Promise<{ status: number | undefined; answer: string }> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      // Its certificate is for the name that clients use, which is not this address
      const asked =
        url.protocol === 'https:'
          ? getHttps(url, { signal, rejectUnauthorized: false }, resolve)
          : getHttp(url, { signal }, resolve);
      asked.on('error', reject);
    });
    return { status: response.statusCode, answer: await text(response) };
  } catch (cause) {
    throw new NearpinError('not_ready', `${url} does not answer: ${(cause as Error).message}`, [], { cause });
  }
}

function detailOf(answer: string): string {
  try {
    return (JSON.parse(answer) as { detail?: string }).detail ?? answer;
  } catch {
    return answer;
  }
}
