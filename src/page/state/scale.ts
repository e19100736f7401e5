/** Where values lie in a chart. */

const STEPS = [1, 2, 2.5, 5, 10];

/** The least round number that is not below a value; 1 for 0. */
export function roundAbove(value: number): number {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return power * STEPS.find((step) => power * step >= value)!;
}

/**
 * The path of a line through values at moments: from the left for `fromMs` to the right for `toMs`, from the bottom for 0 to
 * the top for `most`, in a box of 100 by 100. Where a value is missing it is broken.
 */
export function linePath(
  times: readonly number[],
  values: readonly (number | null)[],
  { fromMs, toMs, most }: { readonly fromMs: number; readonly toMs: number; readonly most: number },
): string {
  let isDrawing = false;
  const steps = times.map((time, i) => {
    const value = values[i] ?? null;
    if (value === null) {
      isDrawing = false;
      return '';
    }
    const x = (100 * (time - fromMs)) / (toMs - fromMs);
    const at = `${x.toFixed(2)} ${(100 - (100 * value) / most).toFixed(2)}`;
    // A line to where it begins shows a value that stands alone, as a dot
    const step = isDrawing ? `L${at}` : `M${at}L${at}`;
    isDrawing = true;
    return step;
  });
  return steps.join('');
}
