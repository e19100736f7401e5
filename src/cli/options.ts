/**
 * The options that several commands take. Each is also an environment variable, NEARPIN_ and the flag's name in
 * capitals; the flag wins.
 */
import { availableParallelism } from 'node:os';
import { InvalidArgumentError, Option } from 'commander';
import { ENGINE_NAMES, type EngineName } from '../engines/engine.ts';
import { LIMITS } from '../lib/limits.ts';

/** An option with its environment variable. */
export function option(flags: string, description: string): Option {
  const made = new Option(flags, description);
  return made.env(variableOf(made.name()));
}

/** The environment variable of a flag's name. */
export const variableOf = (name: string): string => `NEARPIN_${name.toUpperCase().replaceAll('-', '_')}`;

/** Parses a whole number in [min, max]. */
export function whole(min: number, max: number): (text: string) => number {
  return (text) => {
    const n = Number(text);
    if (text.trim() === '' || !Number.isInteger(n) || n < min || n > max) {
      throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
    }
    return n;
  };
}

/** Parses JSON. */
export function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new InvalidArgumentError('It must be JSON.');
  }
}

export const engineOption = (): Option =>
  option('--engine <name>', 'what searches')
    .choices(ENGINE_NAMES)
    .default('wasm' satisfies EngineName);

export const workersOption = (): Option =>
  option('--workers <n>', 'search threads (default: cores - 1, at least 1)')
    .argParser(whole(1, LIMITS.readersMax - 1))
    .default(Math.max(1, availableParallelism() - 1), 'cores - 1');

export const modelDirOption = (): Option =>
  option('--model-dir <dir>', 'folder in which models lie, each in a folder of its name');

export const downloadOption = (): Option =>
  option('--allow-download', 'let a model be fetched from the hub when no folder has it').default(false);

export const keyOption = (): Option =>
  option('--key <key>', 'for the server; in the environment others do not see it');

export const jsonOption = (): Option => option('--json', 'print JSON').default(false);

/** Options by the name that commander gives them. */
export interface ServingOptions {
  readonly engine: EngineName;
  readonly workers: number;
  readonly modelDir?: string;
  readonly allowDownload: boolean;
}

export const servingOptions = (): Option[] => [
  engineOption(),
  workersOption(),
  modelDirOption(),
  downloadOption(),
];
