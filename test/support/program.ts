/** The program as its users start it: a child process with arguments, environment and signals. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

export type Environment = Readonly<Record<string, string>>;

/** Ours without settings, which would otherwise be those of whoever runs the tests. */
export function environment(more: Environment = {}): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^NEARPIN_(?!TEST_)/.test(name));
  return { ...Object.fromEntries(kept), ...more };
}

export interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end. */
export function run(args: readonly string[], env: Environment = {}): Ran {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], {
    encoding: 'utf8',
    env: environment(env),
    timeout: 60_000,
  });
  return { status, stdout, stderr };
}

/** Runs a command that has to succeed. @returns what it printed as JSON */
// biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape, and assert on them
export function runJson(...args: readonly string[]): any {
  const { status, stdout, stderr } = run([...args, '--json']);
  if (status !== 0) throw new Error(`nearpin ${args.join(' ')}: ${status}: ${stderr}`);
  return JSON.parse(stdout);
}

export interface Serving {
  readonly child: ChildProcess;
  readonly url: string;
  /** What it has said so far. */
  stderr(): string;
  /** Resolves once it has said something that fits. */
  said(pattern: RegExp): Promise<void>;
  /** Sends the signal. @returns the exit code, null after SIGKILL */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

/** What calls a function when it ends: a test, or `lifetime()`. */
export interface Lifetime {
  after(end: () => Promise<void>): void;
}

/** That of what is made in a hook for several tests: `end` is to be called in another. */
export function lifetime(): Lifetime & { end(): Promise<void> } {
  const ends: (() => Promise<void>)[] = [];
  return {
    after: (end) => void ends.push(end),
    end: async () => {
      for (const end of ends.reverse()) await end();
    },
  };
}

/**
 * Starts `nearpin serve`, or another command that serves, on a free port; resolves once it is ready. It is killed at the end
 * of the test at the latest.
 */
export async function startServer(
  t: Lifetime,
  args: readonly string[],
  env: Environment = {},
  command: 'serve' | 'demo' = 'serve',
): Promise<Serving> {
  const child = spawn(process.execPath, [MAIN, command, '--port', '0', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: environment(env),
  });
  const exit = once(child, 'exit') as Promise<[number | null]>;
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk;
  });
  t.after(async () => {
    child.kill('SIGKILL');
    await exit;
  });
  const [url] = (await Promise.race([
    once(createInterface({ input: child.stdout }), 'line'),
    exit.then(([code]) => Promise.reject(new Error(`exited with ${code}: ${stderr}`))),
  ])) as [string];
  return {
    child,
    url,
    stderr: () => stderr,
    said: async (pattern) => {
      while (!pattern.test(stderr)) {
        if (child.exitCode !== null) throw new Error(`it ended without ${pattern}: ${stderr}`);
        await once(child.stderr, 'data');
      }
    },
    stop: async (signal = 'SIGTERM') => {
      child.kill(signal);
      const [code] = await exit;
      return code;
    },
  };
}
