/**
 * The regularised incomplete gamma function, which gives the tail of the chi-square distribution: by its series below
 * a + 1 and by its continued fraction above (Abramowitz and Stegun, 1964, 6.5.29 and 6.5.31).
 */

/** Numerator of Lanczos' (1964) approximation for g = 7; good to 15 digits. */
const LANCZOS = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
  12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
];
const PRECISION = 1e-15;
const TINY = 1e-300;

/** The natural logarithm of gamma(a), for a of at least one half. */
export function logGamma(a: number): number {
  const x = a - 1;
  let sum = LANCZOS[0]!;
  for (let i = 1; i < LANCZOS.length; i++) sum += LANCZOS[i]! / (x + i);
  const t = x + 7.5;
  return 0.5 * Math.log(2 * Math.PI) + (x + 0.5) * Math.log(t) - t + Math.log(sum);
}

/** Q(a, x): the share of the gamma distribution of shape `a`, at least one half, that lies above `x`, at least 0. */
export function upperGamma(a: number, x: number): number {
  if (x === 0) return 1;
  const scale = Math.exp(a * Math.log(x) - x - logGamma(a));
  return x < a + 1 ? 1 - scale * lowerSeries(a, x) : scale * upperFraction(a, x);
}

/** 1 / a + x / (a (a + 1)) + x^2 / (a (a + 1) (a + 2)) + … */
function lowerSeries(a: number, x: number): number {
  let term = 1 / a;
  let sum = term;
  for (let n = 1; term > sum * PRECISION; n++) {
    term *= x / (a + n);
    sum += term;
  }
  return sum;
}

/** 1 / (x + 1 - a - 1 (1 - a) / (x + 3 - a - 2 (2 - a) / (x + 5 - a - …))), by Lentz's method (1976). */
function upperFraction(a: number, x: number): number {
  let b = x + 1 - a;
  let c = 1 / TINY;
  let d = 1 / b;
  let value = d;
  for (let n = 1; ; n++) {
    const term = -n * (n - a);
    b += 2;
    d = 1 / nonZero(term * d + b);
    c = nonZero(b + term / c);
    const factor = c * d;
    value *= factor;
    if (Math.abs(factor - 1) < PRECISION) return value;
  }
}

const nonZero = (value: number): number => (Math.abs(value) < TINY ? TINY : value);

/** The chance that a chi-square variable of so many degrees of freedom exceeds `x`. */
export function chiSquareTail(x: number, degrees: number): number {
  return upperGamma(degrees / 2, x / 2);
}
