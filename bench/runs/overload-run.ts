/**
 * What a server does when more is asked of it than it can do: requests at a rate of their own, in parts and multiples of
 * its capacity, with probes of its health beside them. The capacity, one request at a time on each of many connections, is
 * measured anew beside each. Server and client share all cores: on one core the threads of a server take turns as the
 * system has it, which no server is run with.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { DEFAULT_EF } from '../../src/engines/shard-engine.ts';
import { quantile } from '../../src/lib/quantile.ts';
import type { OverloadRecord } from '../report/record.ts';
import { spreadOf } from '../report/statistics.ts';
import { generateLoad } from '../service/load-generator.ts';
import type { OpenLoad, OpenLoadResult } from '../service/open-load.ts';
import { startProbes } from '../service/probes.ts';
import {
  queryBodies,
  queryRequests,
  relatedRequests,
  type ServedSet,
  startNearpin,
  withServed,
} from '../service/served.ts';
import type { RunContext } from './run-context.ts';

export interface OverloadRunOptions extends ServedSet {
  /** Of the definition. */
  readonly title: string;
  readonly asks: OverloadRecord['asks'];
  readonly k: number;
  readonly passes: number;
  /** Of one measurement of the capacity. */
  readonly requests: number;
  /** Of the measurement of the capacity, the last one. */
  readonly connections: readonly number[];
  /** Multiples of the capacity. */
  readonly loads: readonly number[];
  /** Of each load. */
  readonly seconds: number;
}

const OPEN_LOAD = fileURLToPath(new URL('../service/open-load.js', import.meta.url));
/** So many that a request seldom waits for one. */
const CONNECTIONS = 1000;
/** Seldom enough that probes do not wait for each other: Node accepts one connection in a turn of its event loop. */
const PROBE_EVERY_MS = 50;
/** What comes later is of no use to anybody. */
const GOOD_WITHIN_MS = 250;
const FORMAT = 'msgpack';
const WARM_UP_CONNECTIONS = 8;

interface Pass {
  /** Measured beside it. */
  readonly capacity: number;
  readonly offered: number;
  readonly good: number;
  readonly refused: number;
  readonly givenUp: number;
  readonly failed: number;
  readonly latenciesUs: Float64Array;
  readonly probesMs: Float64Array;
  /** At the listener of health. */
  readonly healthProbesMs: Float64Array;
}

export async function runOverload(
  options: OverloadRunOptions,
  context: RunContext,
): Promise<OverloadRecord[]> {
  const { set, asks, k, loads } = options;
  return withServed(options, context, async (folder, children) => {
    const { port, healthPort, key } = await startNearpin(folder, children, { ...context, cores: null });
    const requests =
      asks === 'related'
        ? relatedRequests(set, k, key)
        : queryRequests(queryBodies(set, FORMAT, k), FORMAT, key);
    const connections = options.connections.at(-1)!;
    const points = loads.map((load) => ({ load, passes: [] as Pass[] }));
    // A machine that stands still for a moment makes a server refuse even as many as it can do
    const all = { port, requests, count: options.requests, retries: options.requests };
    const measureCapacity = async () =>
      options.requests / (await generateLoad({ ...all, connections })).wallS;
    // Fewer at a time while code is not compiled yet
    await generateLoad({ ...all, connections: WARM_UP_CONNECTIONS });
    await measureCapacity();
    // Just before and just after each load: the machine may be half as fast in the next minute
    let before = await measureCapacity();
    for (let pass = 0; pass < options.passes; pass++) {
      for (const [i, { load, passes }] of points.entries()) {
        context.progress(
          `${set.name}: ${load} times the capacity`,
          pass * loads.length + i + 1,
          options.passes * loads.length,
        );
        const { seconds } = options;
        const asked = {
          port,
          requests,
          perSecond: load * before,
          seconds,
          connections: CONNECTIONS,
          patienceMs: GOOD_WITHIN_MS,
        };
        const answered = await measure(asked, healthPort, children);
        const after = await measureCapacity();
        passes.push({ ...answered, capacity: (before + after) / 2 });
        before = after;
      }
    }
    return points.map(({ load, passes }): OverloadRecord => {
      const middle = (value: (pass: Pass) => number) => spreadOf(passes.map(value)).median;
      const worst = (value: (pass: Pass) => number) => Math.max(...passes.map(value));
      return {
        kind: 'overload',
        run: options.title,
        dataset: set.name,
        n: set.base.rows,
        dim: set.base.dim,
        k,
        ef: DEFAULT_EF,
        format: FORMAT,
        asks,
        load,
        seconds: options.seconds,
        capacitySpread: spreadOf(passes.map(({ capacity }) => capacity)),
        offeredRps: middle(({ offered }) => offered),
        goodRps: middle(({ good }) => good),
        goodSpread: spreadOf(passes.map(({ good }) => good)),
        goodWithinMs: GOOD_WITHIN_MS,
        refusedRps: middle(({ refused }) => refused),
        givenUpRps: middle(({ givenUp }) => givenUp),
        failedRps: worst(({ failed }) => failed),
        p50Us: middle(({ latenciesUs }) => quantile(latenciesUs, 0.5)),
        p99Us: middle(({ latenciesUs }) => quantile(latenciesUs, 0.99)),
        probes: passes.reduce((sum, { probesMs }) => sum + probesMs.length, 0),
        probeP99Ms: worst(({ probesMs }) => quantile(probesMs, 0.99)),
        probeMaxMs: worst(({ probesMs }) => Math.max(...probesMs)),
        healthProbeP99Ms: worst(({ healthProbesMs }) => quantile(healthProbesMs, 0.99)),
        healthProbeMaxMs: worst(({ healthProbesMs }) => Math.max(...healthProbesMs)),
      };
    });
  });
}

async function measure(
  load: OpenLoad,
  healthPort: number,
  children: ChildProcess[],
): Promise<Omit<Pass, 'capacity'>> {
  const child = fork(OPEN_LOAD, { serialization: 'advanced' });
  children.push(child);
  child.send(load);
  const heard = async () => {
    const [message] = await Promise.race([
      once(child, 'message'),
      once(child, 'exit').then(([code]) => {
        throw new Error(`the load ended with ${code}`);
      }),
    ]);
    return message;
  };
  await heard();
  const endProbes = startProbes(load.port, PROBE_EVERY_MS);
  const endHealthProbes = startProbes(healthPort, PROBE_EVERY_MS);
  const result = (await heard()) as OpenLoadResult;
  const [probesMs, healthProbesMs] = await Promise.all([endProbes(), endHealthProbes()]);
  const { due, latenciesUs, refused, givenUp, failed } = result;
  const good = latenciesUs.filter((us) => us <= GOOD_WITHIN_MS * 1000).length;
  const perSecond = (count: number) => count / load.seconds;
  return {
    offered: perSecond(due),
    good: perSecond(good),
    refused: perSecond(refused),
    givenUp: perSecond(givenUp),
    failed: perSecond(failed),
    latenciesUs,
    probesMs,
    healthProbesMs,
  };
}
