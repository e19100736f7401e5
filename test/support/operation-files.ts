/** The files of docs/operations, read as their programs read them, as far as the tests ask. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
export const OPERATIONS = join(ROOT, 'docs', 'operations');

// biome-ignore lint/suspicious/noExplicitAny: manifests have every shape, and the tests assert on it
export type Yaml = any;

/** The documents of a YAML file; throws what is wrong with it, warnings included. */
export function readYaml(path: string): Yaml[] {
  return parseAllDocuments(readFileSync(path, 'utf8')).map((document) => {
    for (const problem of [...document.errors, ...document.warnings]) throw problem;
    return document.toJS();
  });
}

/** Every manifest of docs/operations/kubernetes. */
export function manifests(): Yaml[] {
  const dir = join(OPERATIONS, 'kubernetes');
  return readdirSync(dir).flatMap((name) => readYaml(join(dir, name)));
}

export interface Instruction {
  readonly keyword: string;
  readonly rest: string;
}

/** The instructions of the Dockerfile in stages, each of which begins with its FROM. */
export function dockerStages(): Instruction[][] {
  const stages: Instruction[][] = [];
  const text = readFileSync(join(OPERATIONS, 'Dockerfile'), 'utf8')
    .replaceAll(/^\s*#.*\n/gm, '')
    .replaceAll(/\\\n/g, ' ');
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    const [, keyword, rest] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
    if (keyword === undefined || rest === undefined) throw new Error(`no instruction: ${line}`);
    if (keyword === 'FROM') stages.push([]);
    stages.at(-1)!.push({ keyword, rest: rest.trim() });
  }
  return stages;
}

/** The lines of a systemd unit: section, then key, then its values in order. */
export function readUnit(text: string): Record<string, Record<string, string[]>> {
  const unit: Record<string, Record<string, string[]>> = {};
  let section = '';
  for (const line of text.split('\n')) {
    if (line.trim() === '' || /^[#;]/.test(line)) continue;
    const heading = /^\[(\w+)\]$/.exec(line)?.[1];
    if (heading !== undefined) {
      section = heading;
      unit[section] = {};
      continue;
    }
    const [, key, value] = /^(\w+)=(.*)$/.exec(line) ?? [];
    if (key === undefined || value === undefined || section === '') throw new Error(`no setting: ${line}`);
    unit[section]![key] = [...(unit[section]![key] ?? []), value];
  }
  return unit;
}
