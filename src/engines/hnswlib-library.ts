/** hnswlib-node, which is optional: npm drops it without a word where it cannot be compiled. */
import { createRequire } from 'node:module';
import { NearpinError } from '../lib/errors.ts';

type Hnswlib = typeof import('hnswlib-node');

/** Throws engine_unavailable, saying how to get it. */
export function loadHnswlib(): Hnswlib {
  try {
    return createRequire(import.meta.url)('hnswlib-node') as Hnswlib;
  } catch (cause) {
    throw new NearpinError(
      'engine_unavailable',
      'hnswlib-node is not installed; `npm install hnswlib-node` builds it and needs python, make and a C++ compiler',
      [],
      { cause },
    );
  }
}
