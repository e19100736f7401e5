/** `nearpin alias`: other names of indexes, at a server or, while none runs, in a directory of indexes. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { createClient } from '../../client/client.ts';
import { errorAt, NearpinError } from '../../lib/errors.ts';
import { readAliases, writeAliases } from '../../storage/aliases.ts';
import { INDEX_NAME } from '../catalog.ts';
import { jsonOption, keyOption, option } from '../options.ts';
import { formatTable, type Terminal } from '../terminal.ts';

interface AliasOptions {
  readonly indexes: string;
  readonly url?: string;
  readonly key?: string;
  readonly remove: boolean;
  readonly json: boolean;
}

export function aliasCommand(terminal: Terminal): Command {
  return new Command('alias')
    .argument('[alias]', 'its name')
    .argument('[index]', 'name of the index that it is to stand for')
    .addOption(option('--indexes <dir>', 'directory of indexes').default('indexes'))
    .addOption(option('--url <url>', 'at the server there'))
    .addOption(keyOption())
    .addOption(option('--remove', 'remove the alias').default(false))
    .addOption(jsonOption())
    .action(async (alias: string | undefined, index: string | undefined, options: AliasOptions) => {
      if (alias !== undefined && options.remove === (index !== undefined)) {
        throw new NearpinError('bad_request', 'give an alias and an index, or an alias and --remove');
      }
      if (alias !== undefined) await change(alias, index, options);
      const aliases = await list(options);
      if (options.json) terminal.print(JSON.stringify({ aliases }));
      else
        terminal.print(formatTable([['alias', 'index'], ...aliases.map((each) => [each.alias, each.index])]));
    });
}

async function list({
  url,
  key,
  indexes,
}: AliasOptions): Promise<readonly { alias: string; index: string }[]> {
  if (url !== undefined) return (await createClient({ url, key }).aliases()).aliases;
  return [...(await readAliases(indexes))].map(([alias, index]) => ({ alias, index }));
}

async function change(
  alias: string,
  index: string | undefined,
  { url, key, indexes }: AliasOptions,
): Promise<void> {
  if (url !== undefined) {
    const client = createClient({ url, key });
    await (index === undefined ? client.removeAlias(alias) : client.setAlias(alias, index));
    return;
  }
  const aliases = await readAliases(indexes);
  if (index === undefined) {
    if (!aliases.delete(alias)) throw new NearpinError('unknown_alias', `there is no alias ${alias}`);
  } else {
    if (!INDEX_NAME.test(alias) || existsSync(join(indexes, alias))) {
      throw errorAt('bad_request', 'alias', 'must be a name that no index has');
    }
    if (!existsSync(join(indexes, index)))
      throw errorAt('unknown_index', 'index', `there is no index ${index}`);
    aliases.set(alias, index);
  }
  await writeAliases(indexes, aliases);
}
