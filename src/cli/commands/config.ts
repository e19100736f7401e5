/** `nearpin config`: what a server would be told, and whether it could start with that. */
import { Command } from 'commander';
import { checkSettings } from '../check-settings.ts';
import { jsonOption, option } from '../options.ts';
import { readSettings, SETTING_NAMES, settingOptions } from '../settings.ts';
import { formatTable, type Terminal } from '../terminal.ts';

export function configCommand(terminal: Terminal): Command {
  const command = new Command('config');
  for (const each of [
    ...settingOptions(),
    option('--check', 'say only whether a server could start with them').default(false),
    jsonOption(),
  ])
    command.addOption(each);
  return command.action(async ({ check, json }: { check: boolean; json: boolean }) => {
    const { settings, origins } = await readSettings(command);
    await checkSettings(settings);
    if (json) {
      const rows = SETTING_NAMES.map((name) => [
        name,
        { value: settings[name] ?? null, from: origins[name] },
      ]);
      terminal.print(JSON.stringify(check ? { ok: true } : { settings: Object.fromEntries(rows) }));
    } else if (check) terminal.print('ok');
    else
      terminal.print(
        formatTable([
          ['setting', 'value', 'from'],
          ...SETTING_NAMES.map((name) => [name, String(settings[name] ?? ''), origins[name]]),
        ]),
      );
  });
}
