/** SIGHUP: files are taken as they are now. */

/**
 * Has each of these called at SIGHUP. Where there are none, the signal that would end the process does nothing, so that a
 * service may be reloaded that has nothing to reload; in a terminal it says that the terminal is gone, and ends it.
 */
export function onHangup(reloads: readonly ((() => void) | undefined)[]): void {
  const there = reloads.filter((reload) => reload !== undefined);
  if (there.length === 0 && process.stdin.isTTY) return;
  process.on('SIGHUP', () => {
    for (const reload of there) reload();
  });
}
