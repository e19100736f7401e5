/** Made-up results, for what reads them. */
import type { LoadRecord, OverloadRecord, Results, SearchRecord } from '../../bench/report/record.ts';
import { spreadOf } from '../../bench/report/statistics.ts';

export function searchRecord(over: Partial<SearchRecord> & { readonly qps: number }): SearchRecord {
  const us = 1e6 / over.qps;
  const { p50Us = us } = over;
  return {
    kind: 'search',
    run: 'Made up',
    engine: 'wasm',
    version: '1',
    dataset: 'clustered-128',
    n: 1000,
    dim: 128,
    metric: 'cosine',
    k: 10,
    params: { m: 16, efConstruction: 200, seed: 1 },
    ef: 64,
    threads: 1,
    recall: 0.95,
    recallById: 0.95,
    work: { distances: 100, hops: 10 },
    qpsSpread: spreadOf([over.qps]),
    p50Us,
    p50UsSpread: spreadOf([p50Us]),
    p99Us: 3 * us,
    cpuUs: us,
    cpuUsSpread: spreadOf([us]),
    queries: 100,
    passes: 1,
    buildS: 2,
    buildCpuS: 2,
    bytesPerVector: 500,
    fileBytesPerVector: 400,
    rssBytesPerVector: 600,
    loadS: 0.1,
    ...over,
  };
}

/** A curve through these recalls and queries per second, the width rising by ten. */
export function curve(over: Partial<SearchRecord>, points: readonly (readonly [number, number])[]) {
  return points.map(([recall, qps], i) =>
    searchRecord({ ...over, recall, recallById: recall, qps, ef: 10 * (i + 1) }),
  );
}

export function resultsOf(records: Results['records'], notes: readonly string[] = []): Results {
  return {
    schema: 1,
    startedAt: '2026-01-01T00:00:00.000Z',
    tookS: 1,
    machine: { cpu: 'A processor', cores: 2, memoryBytes: 2 ** 34, os: 'Linux' },
    pinnedTo: '1',
    node: 'v20.0.0',
    nearpin: '0.1.0',
    commit: 'abc',
    isDirty: false,
    coreSha256: '0'.repeat(64),
    command: 'nearpin bench',
    titles: ['Made up'],
    records,
    notes,
  };
}

export function loadRecord(seconds: { readonly loadS: number; readonly bareReadS: number }): LoadRecord {
  const { loadS, bareReadS } = seconds;
  return {
    kind: 'load',
    run: 'Loading',
    engine: 'wasm',
    version: '1',
    dataset: 'clustered-128',
    n: 1000,
    dim: 128,
    metric: 'cosine',
    bytes: 1e6,
    loadS,
    loadSSpread: spreadOf([loadS]),
    bareReadS,
    bareReadSSpread: spreadOf([bareReadS]),
  };
}

/** Of a capacity of 1,000 requests a second. */
export function overloadRecord(
  over: Partial<OverloadRecord> & Pick<OverloadRecord, 'load' | 'goodRps'>,
): OverloadRecord {
  return {
    kind: 'overload',
    run: 'Overload',
    dataset: 'clustered-128',
    n: 1000,
    dim: 128,
    k: 10,
    ef: 128,
    format: 'msgpack',
    asks: 'query',
    seconds: 5,
    capacitySpread: spreadOf([1000]),
    offeredRps: 1000 * over.load,
    goodSpread: spreadOf([over.goodRps]),
    goodWithinMs: 250,
    refusedRps: 0,
    givenUpRps: 0,
    failedRps: 0,
    p50Us: 20_000,
    p99Us: 80_000,
    probes: 500,
    probeP99Ms: 5,
    probeMaxMs: 9,
    healthProbeP99Ms: 2,
    healthProbeMaxMs: 3,
    ...over,
  };
}
