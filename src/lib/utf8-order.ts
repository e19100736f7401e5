/** The order of strings by their UTF-8 bytes, which is that of LMDB's keys, without making the bytes. */

/**
 * Where a UTF-16 unit stands among the others by the code points that it may belong to: surrogates are of code points
 * above all that take one unit, though units from E000 are greater.
 */
function rank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

/** Compares two strings of valid Unicode for `sort`: below 0 when the bytes of the first come before. */
export function compareUtf8(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}
