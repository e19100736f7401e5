/** docs/settings.md as the schema of settings has it. Run as a program, it writes the file. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { variableOf } from '../../src/cli/options.ts';
import {
  DESCRIBED,
  type Described,
  flagOf,
  SETTING_NAMES,
  type SettingName,
} from '../../src/cli/settings.ts';

const FILE = fileURLToPath(new URL('../../../docs/settings.md', import.meta.url));

/** What a setting may be. */
function valuesOf({ type, enum: names, minimum, maximum }: Described): string {
  if (names) return names.map((name) => `\`${name}\``).join(', ');
  if (type === 'integer' || type === 'number') return `${minimum} to ${maximum}`;
  return type === 'boolean' ? 'true, false' : 'text';
}

function rowOf(name: SettingName): string {
  const said = DESCRIBED[name];
  const flag = flagOf(name);
  // Of the machine that this runs on
  const byDefault =
    name === 'workers' ? 'cores - 1' : said.default === undefined ? '' : `\`${said.default}\``;
  const cells = [
    `\`${name}\``,
    `\`${flag}\``,
    `\`${variableOf(flag.slice(2))}\``,
    valuesOf(said),
    byDefault,
    said.description,
  ];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

export function settingsDocument(): string {
  return `# Settings

What \`nearpin serve\` and \`nearpin demo\` can be told. A flag wins over the environment, that over the file that \`--config\` names
(JSON, with the names as they stand here; \`NEARPIN_CONFIG\` names it, too), that over the default. \`nearpin config\` shows every
value with where it comes from, \`nearpin config --check\` says whether a server could start. This table follows from
\`src/cli/settings.ts\`; \`node dist/test/support/settings-document.js\` writes it.

| in the file | flag | in the environment | value | default | |
|---|---|---|---|---|---|
${SETTING_NAMES.map(rowOf).join('\n')}
`;
}

export const writtenSettingsDocument = (): string => readFileSync(FILE, 'utf8');

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(FILE, settingsDocument());
