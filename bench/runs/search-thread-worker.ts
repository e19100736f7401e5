/** A further thread that searches the index of its process. All threads of a pass start together. */
import { parentPort, workerData } from 'node:worker_threads';
import { makeAttribute } from '../data/attributes.ts';
import { filtersOf } from '../data/filters.ts';
import { readMatrix } from '../data/matrix.ts';
import { openBenchEngine } from '../engines/registry.ts';
import type { ThreadResult, ThreadStart, ThreadTask } from './protocol.ts';
import { answerAll, WARM_UP } from './timing.ts';

const { engine: name, task, shared, thread, control } = workerData as ThreadStart;
const signals = new Int32Array(control);
const [PASS, READY] = [0, 1];

const engine = await openBenchEngine(name);
const attributes = Object.fromEntries(task.attributes.map((each) => [each, makeAttribute(each, task.base)]));
const index = await engine.attach!({ ...task.spec, attributes }, shared, thread);
const queries = readMatrix(task.queries);
index.prepare(queries);
// Each begins elsewhere, so that they do not ask for the same vectors at the same time
const first = Math.floor((thread * queries.length) / task.spec.threads);

parentPort!.on('message', async (search: ThreadTask) => {
  const { threads } = task.spec;
  const setFilter = (round: number) =>
    index.filter?.(
      search.filter === null ? [] : filtersOf(search.filter, queries.length, round * threads + thread),
    );
  setFilter(2 * search.pass);
  await answerAll(index, queries.length, first, Math.min(WARM_UP, queries.length), search, null);
  setFilter(2 * search.pass + 1);
  const latenciesUs = new Float64Array(queries.length);
  Atomics.add(signals, READY, 1);
  while (Atomics.load(signals, PASS) < search.pass) Atomics.wait(signals, PASS, search.pass - 1);
  const startedAtMs = performance.timeOrigin + performance.now();
  await answerAll(index, queries.length, first, queries.length, search, latenciesUs);
  const endedAtMs = performance.timeOrigin + performance.now();
  parentPort!.postMessage({ latenciesUs, startedAtMs, endedAtMs } satisfies ThreadResult);
});
parentPort!.postMessage('attached');
