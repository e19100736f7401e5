/**
 * A build in a process of its own, to be killed, starved of disk space or weighed. Takes the options as JSON; prints a
 * line per progress, and at last the report or the error.
 */
import { readFileSync } from 'node:fs';
import { buildIndex } from '../../src/build/build-index.ts';
import { buildOptions } from './built-index.ts';

const { files, indexDir, ...more } = JSON.parse(process.argv[2]!) as { files: string[]; indexDir: string };
const print = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);

/** Bytes of memory of this process's own. Pages of mapped files, as LMDB's, are the system's to take back. */
function ownBytes(): number {
  if (process.platform !== 'linux') return process.memoryUsage.rss();
  return Number(/^RssAnon:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))![1]) * 1024;
}

const startBytes = ownBytes();
let peakBytes = startBytes;
const weigh = () => {
  peakBytes = Math.max(peakBytes, ownBytes());
};
setInterval(weigh, 20).unref();
try {
  const report = await buildIndex(
    buildOptions(files, indexDir, {
      ...more,
      onProgress: (progress) => {
        weigh();
        print(progress);
      },
    }),
  );
  print({ report, startBytes, peakBytes });
} catch (error) {
  const { code, message } = error as { code?: string; message: string };
  print({ error: { code, message } });
  process.exitCode = 1;
}
