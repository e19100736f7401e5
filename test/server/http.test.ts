/** The HTTP contract over the oracle engine. */
import { httpSuite } from '../support/http-suite.ts';
import { memoryEngine } from '../support/memory-engine.ts';

httpSuite('the memory engine', async ({ dim, metric, attributes = {}, model = null }, pins) => ({
  engine: memoryEngine({
    dim,
    metric,
    attributes,
    model,
    pins,
    clock: () => performance.timeOrigin + performance.now(),
  }),
}));
