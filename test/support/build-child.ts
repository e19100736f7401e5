/**
 * A build in a process of its own, to be killed, starved of disk space or weighed. Takes the options as JSON; prints a
 * line per progress, and at last the report or the error.
 */
import { buildIndex } from '../../src/build/build-index.ts';
import { buildOptions } from './built-index.ts';

const { files, indexDir, ...more } = JSON.parse(process.argv[2]!) as { files: string[]; indexDir: string };
const print = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);
let peakRss = 0;
const weigh = () => {
  peakRss = Math.max(peakRss, process.memoryUsage.rss());
};
const startRss = process.memoryUsage.rss();
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
  print({ report, startRss, peakRss });
} catch (error) {
  const { code, message } = error as { code?: string; message: string };
  print({ error: { code, message } });
  process.exitCode = 1;
}
