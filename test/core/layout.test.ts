import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import test, { describe } from 'node:test';
import { LAYOUT as L } from '../../src/core/layout.ts';
import { OP, STACK_MAX } from '../../src/index/filter-program.ts';
import { LIMITS } from '../../src/lib/limits.ts';
import { CORE, nativeFile } from './shards.ts';

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const text = (name: string) => readFileSync(nativeFile(name), 'utf8');

describe('the layout', () => {
  test('has the same numbers in C and in TypeScript', () => {
    const defines = [...text('layout.h').matchAll(/^#define (\w+) (\S+)/gm)];
    const inC = Object.fromEntries(defines.map(([, name, value]) => [name!, Number(value)]));
    assert.ok(defines.length > 100);
    assert.deepEqual({ ...L }, inC);
  });

  test('has the instructions of filters in the order of their numbers', () => {
    const names = /enum \{ (F_END[^}]*) \}/.exec(text('filter.h'))![1]!.split(', ');
    const camel = (name: string) =>
      name
        .slice(2)
        .toLowerCase()
        .replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
    assert.deepEqual(Object.fromEntries(names.map((name, i) => [camel(name), i])), OP);
    assert.equal(L.NP_FILTER_STACK, STACK_MAX);
  });

  test('has no two words in one place', () => {
    const entries = Object.entries(L);
    const header = entries.filter(([name]) => name.startsWith('H_') && !/^H_(STATE|CONFIG_WORDS)/.test(name));
    const state = entries.filter(([name]) => name.startsWith('S_'));
    for (const words of [header, state]) assert.equal(new Set(words.map(([, w]) => w)).size, words.length);
    for (const [name, w] of header) {
      if (w >= L.H_STATE && w < L.H_STATE_END)
        assert.ok(w < L.H_HEAP_FREE + (w === L.H_HEAP_FREE ? 1 : 0), name);
    }
    assert.equal(L.H_HEAP_FREE + L.NP_HEAP_CLASSES, L.H_STATE_END);
    assert.ok(L.NP_HEADER + L.NP_HEADER_BYTES <= L.NP_READER_EPOCHS);
    assert.ok(L.NP_READER_EPOCHS + L.NP_READERS_MAX * L.NP_READER_EPOCH_STRIDE <= L.NP_SCRATCH_BASE);
  });

  test('has room for everything within the limits', () => {
    assert.ok(LIMITS.kMax <= L.NP_K_MAX);
    assert.ok(Math.max(LIMITS.efMax, LIMITS.efConstructionMax) <= L.NP_EF_MAX);
    assert.ok(LIMITS.mMax <= L.NP_M_MAX);
    assert.ok(LIMITS.readersMax + 1 <= L.NP_READERS_MAX);
    const longestRecord = (L.NP_HEAP_CLASSES - 1) * 16;
    assert.ok((LIMITS.keywordListMax + 1) * 4 <= longestRecord);
    assert.ok(LIMITS.pinIdBytesMax + 1 <= Math.min(longestRecord, 256));
    assert.ok(L.NP_LEVEL_MAX * L.NP_M_MAX * 4 <= longestRecord);
    const pin = LIMITS.attributesMax * (8 + (LIMITS.keywordListMax + 1) * 4) + 4 + LIMITS.pinIdBytesMax;
    assert.ok(pin <= L.NP_INPUT_BYTES);
    const filter = LIMITS.filterNodesMax * 7 * 4 + LIMITS.filterValuesMax * 8 + 4;
    assert.ok(filter <= L.NP_INPUT_BYTES);
  });
});

describe('core.wasm', () => {
  const proof = JSON.parse(text('core.json')) as {
    compiler: string;
    flags: string;
    sources: Record<string, string>;
    wasm: { bytes: number; sha256: string };
  };

  test('was compiled from the sources that stand beside it', () => {
    const sources = readdirSync(nativeFile('.')).filter((n) => /\.[ch]$/.test(n) && !n.startsWith('native_'));
    assert.ok(sources.length > 10);
    const hashes = sources.map((name) => [name, sha256(readFileSync(nativeFile(name)))]);
    assert.deepEqual(proof.sources, Object.fromEntries(hashes), 'run `node build.mjs` in native/');
    const bytes = readFileSync(nativeFile('core.wasm'));
    assert.deepEqual(proof.wasm, { bytes: bytes.length, sha256: sha256(bytes) });
  });

  test('was compiled by the pinned compiler with the flags of the build', () => {
    const { dependencies } = JSON.parse(text('package.json')) as { dependencies: Record<string, string> };
    const version = dependencies['@yowasp/clang']!;
    assert.match(version, /^\d/, 'pinned exactly');
    assert.equal(proof.compiler, `@yowasp/clang ${version}`);
    for (const flag of proof.flags.split(' ')) assert.ok(text('build.mjs').includes(`'${flag}'`), flag);
  });

  test('imports a memory and nothing else', () => {
    const { imports } = (
      globalThis as unknown as { WebAssembly: { Module: { imports(module: unknown): unknown } } }
    ).WebAssembly.Module;
    assert.deepEqual(imports(CORE), [{ module: 'env', name: 'memory', kind: 'memory' }]);
  });

  test('has no data, which threads would initialise again, and one global, the stack pointer', () => {
    const IMPORT = 2;
    const GLOBAL = 6;
    const START = 8;
    const DATA = 11;
    const sections = sectionsOf(readFileSync(nativeFile('core.wasm')));
    assert.ok(sections.has(IMPORT));
    assert.ok(!sections.has(DATA));
    assert.ok(!sections.has(START));
    assert.equal(sections.get(GLOBAL)?.[0], 1);
  });
});

/** The contents of a module's sections by their ids. */
function sectionsOf(bytes: Uint8Array): Map<number, Uint8Array> {
  const sections = new Map<number, Uint8Array>();
  for (let at = 8; at < bytes.length; ) {
    const id = bytes[at++]!;
    let size = 0;
    for (let shift = 0, byte = 0x80; byte & 0x80; shift += 7) {
      byte = bytes[at++]!;
      size |= (byte & 0x7f) << shift;
    }
    sections.set(id, bytes.subarray(at, at + size));
    at += size;
  }
  return sections;
}
