/** How alike two stored vectors are. */
import type { Metric } from '../index/config.ts';

/** The score that one stored vector has for another: dot product of unit or raw vectors, or minus squared L2. */
export function similarity(metric: Metric, a: Float32Array, b: Float32Array): number {
  const { length } = a;
  // Four sums that do not wait for each other; their order is part of the definition
  let sum0 = 0;
  let sum1 = 0;
  let sum2 = 0;
  let sum3 = 0;
  let i = 0;
  if (metric === 'l2') {
    for (; i + 4 <= length; i += 4) {
      sum0 -= (a[i]! - b[i]!) ** 2;
      sum1 -= (a[i + 1]! - b[i + 1]!) ** 2;
      sum2 -= (a[i + 2]! - b[i + 2]!) ** 2;
      sum3 -= (a[i + 3]! - b[i + 3]!) ** 2;
    }
    for (; i < length; i++) sum0 -= (a[i]! - b[i]!) ** 2;
  } else {
    for (; i + 4 <= length; i += 4) {
      sum0 += a[i]! * b[i]!;
      sum1 += a[i + 1]! * b[i + 1]!;
      sum2 += a[i + 2]! * b[i + 2]!;
      sum3 += a[i + 3]! * b[i + 3]!;
    }
    for (; i < length; i++) sum0 += a[i]! * b[i]!;
  }
  return sum0 + sum1 + (sum2 + sum3);
}

/** The squared length of a vector: its similarity to itself under dot, to the bit. */
export function squaresOf(vector: Float32Array): number {
  return similarity('dot', vector, vector);
}
