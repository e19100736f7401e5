/** The search core as it comes with the package. */
import { readFileSync } from 'node:fs';

/** Bytes of native/core.wasm. */
export function readCoreBinary(): Uint8Array {
  return readFileSync(new URL('../../../native/core.wasm', import.meta.url));
}
