/** `nearpin keys`: makes, lists and revokes the API keys of a server. */
import { Command, InvalidArgumentError } from 'commander';
import { DAY_MS } from '../../index/time.ts';
import { isScope, SCOPES, type Scope } from '../../server/auth/principal.ts';
import { addKey, type KeyRecord, readKeys, revokeKey } from '../keys-file.ts';
import { jsonOption, option, whole } from '../options.ts';
import { formatTable, type Terminal } from '../terminal.ts';

interface KeysOptions {
  readonly keysFile: string;
  readonly json: boolean;
}

interface AddOptions extends KeysOptions {
  readonly scopes: readonly Scope[];
  readonly only?: readonly string[];
  readonly days?: number;
}

export function keysCommand(terminal: Terminal, now: () => number): Command {
  const common = (command: Command) =>
    command
      .addOption(
        option('--keys-file <file>', 'the file of keys, as of `serve --keys-file`').makeOptionMandatory(),
      )
      .addOption(jsonOption());
  const add = new Command('add')
    .description('make a key and print it: it is kept nowhere else')
    .argument('<name>', 'who has it, as audit logs will call them')
    .addOption(
      option('--scopes <list>', `of ${SCOPES.join(', ')}`)
        .argParser(scopes)
        .default(['read'], 'read'),
    )
    .addOption(option('--only <names>', 'indexes and aliases that it is for (default: all)').argParser(words))
    .addOption(
      option('--days <n>', 'for how long it is valid (default: without end)').argParser(whole(1, 36_500)),
    )
    .action(async (name: string, options: AddOptions) => {
      const { keysFile, days, only = '*' } = options;
      const { key, record } = await addKey(
        keysFile,
        {
          name,
          scopes: options.scopes,
          indexes: only,
          ...(days !== undefined && { expiresAtMs: now() + days * DAY_MS }),
        },
        now(),
      );
      terminal.print(options.json ? JSON.stringify({ key, ...shown(record) }) : key);
      terminal.note(`key ${name} is in ${keysFile}; what is printed is shown this once`);
    });
  const list = new Command('list').description('list the keys').action(async (options: KeysOptions) => {
    const records = (await readKeys(options.keysFile)).map(shown);
    if (options.json) terminal.print(JSON.stringify({ keys: records }));
    else
      terminal.print(
        formatTable([
          ['name', 'id', 'scopes', 'indexes', 'created', 'expires'],
          ...records.map(({ name, id, scopes, indexes, created, expires }) => [
            name,
            id,
            scopes.join(','),
            indexes === '*' ? 'all' : indexes.join(','),
            created,
            expires ?? 'never',
          ]),
        ]),
      );
  });
  const revoke = new Command('revoke')
    .description('take a key away; a server knows within a second')
    .argument('<name>', 'of the key')
    .action(async (name: string, options: KeysOptions) => {
      await revokeKey(options.keysFile, name);
      terminal.print(options.json ? JSON.stringify({ revoked: name }) : `key ${name} is revoked`);
    });
  const keys = new Command('keys');
  for (const each of [add, list, revoke]) keys.addCommand(common(each).exitOverride());
  return keys;
}

const shown = ({ sha256: _, ...rest }: KeyRecord) => rest;

const words = (text: string): string[] => text.split(',').map((word) => word.trim());

function scopes(text: string): Scope[] {
  const given = words(text);
  if (!given.every(isScope)) throw new InvalidArgumentError(`They are ${SCOPES.join(', ')}.`);
  return [...new Set(given)];
}
