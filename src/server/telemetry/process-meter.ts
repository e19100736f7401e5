/** The process and its event loop, as far as they tell how a server is. */
import { Histogram, STAGE_BOUNDS_S } from '../../lib/histogram.ts';
import { type Family, family, histogramSamples } from './families.ts';
import type { MetricName } from './metrics.ts';

const LOOK_EVERY_MS = 20;

export class ProcessMeter {
  readonly #delay = new Histogram(STAGE_BOUNDS_S);
  readonly #looking: NodeJS.Timeout;

  constructor() {
    let lookedAtMs = performance.now();
    // A timer that is late by what the loop was busy with
    this.#looking = setInterval(() => {
      const nowMs = performance.now();
      this.#delay.observe(Math.max(0, nowMs - lookedAtMs - LOOK_EVERY_MS) / 1000);
      lookedAtMs = nowMs;
    }, LOOK_EVERY_MS).unref();
  }

  families(): Family[] {
    const { user, system } = process.cpuUsage();
    const { rss, heapTotal, heapUsed, external } = process.memoryUsage();
    const { active } = performance.eventLoopUtilization();
    const one = (name: MetricName, value: number) => family(name, [{ value }]);
    return [
      family('nearpin_event_loop_delay_seconds', histogramSamples(this.#delay)),
      one('nearpin_event_loop_active_seconds_total', active / 1000),
      one('process_cpu_seconds_total', (user + system) / 1e6),
      one('process_resident_memory_bytes', rss),
      one('process_start_time_seconds', performance.timeOrigin / 1000),
      one('nodejs_heap_size_used_bytes', heapUsed),
      one('nodejs_heap_size_total_bytes', heapTotal),
      one('nodejs_external_memory_bytes', external),
    ];
  }

  close(): void {
    clearInterval(this.#looking);
  }
}
