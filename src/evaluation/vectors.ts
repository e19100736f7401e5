/** Vectors of pins for similarity: of length one, and as many as may be are kept. */

export type ReadVector = (id: string) => Promise<Float32Array | undefined>;

/**
 * @param read gives a pin's vector, undefined for one that is not there
 * @param bytesMax of vectors that are kept; the one that was read first makes room
 */
export function keepUnitVectors(read: ReadVector, bytesMax: number): ReadVector {
  const kept = new Map<string, Float32Array>();
  let bytes = 0;
  return async (id) => {
    const known = kept.get(id);
    if (known !== undefined) return known;
    const vector = await read(id);
    if (vector === undefined) return undefined;
    const unit = unitOf(vector);
    if (!kept.has(id)) bytes += unit.byteLength;
    kept.set(id, unit);
    for (const [first, { byteLength }] of kept) {
      if (bytes <= bytesMax) break;
      kept.delete(first);
      bytes -= byteLength;
    }
    return unit;
  };
}

/** The vector over its length; zeros stay what they are. */
function unitOf(vector: Float32Array): Float32Array {
  let squares = 0;
  for (const value of vector) squares += value * value;
  return squares === 0 ? vector : vector.map((value) => value / Math.sqrt(squares));
}
