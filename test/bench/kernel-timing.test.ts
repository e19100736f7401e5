import assert from 'node:assert/strict';
import test from 'node:test';
import { timeKernels } from '../../bench/runs/kernel-timing.ts';

test('the core shows its kernels, at least those that compare f32 and codes', () => {
  const times = timeKernels({ dim: 20, regionBytes: 1 << 20, calls: 100 });
  const bytes = Object.fromEntries(times.map(({ kernel, vectorBytes }) => [kernel, vectorBytes]));
  assert.equal(bytes.np_dot_f32, 80);
  assert.equal(bytes.np_dot_i8, 32);
  for (const { hotNs, randomNs } of times) assert.ok(hotNs > 0 && randomNs > 0);
});
