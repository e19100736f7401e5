import assert from 'node:assert/strict';
import test from 'node:test';
import { LAYOUT as L } from '../../src/core/layout.ts';
import { SHARD_PLANS, STAGE, STAGES } from '../../src/lib/watch.ts';

test('a stage goes by its place among all', () => {
  assert.deepEqual(
    STAGES.map((name) => STAGE[name]),
    STAGES.map((_, i) => i),
  );
});

test('a plan goes by the number that the core gives it', () => {
  const plans = [L.NP_PLAN_GRAPH, L.NP_PLAN_SCAN, L.NP_PLAN_TWO_HOP].map((plan) => SHARD_PLANS[plan]);
  assert.deepEqual(plans, ['graph', 'scan', 'two-hop']);
});
