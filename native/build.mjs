// Compiles core.c to core.wasm with the pinned compiler, and writes core.json: the hashes of the sources, of the
// compiler's version and of the result. `--check` compiles and compares instead of writing, and exits 1 on a difference.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { runClang } from '@yowasp/clang';

const folder = new URL('.', import.meta.url);
const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');
const names = readdirSync(folder)
  .filter((name) => /\.[ch]$/.test(name) && !name.startsWith('native_'))
  .sort();
const sources = Object.fromEntries(names.map((name) => [name, readFileSync(new URL(name, folder))]));

const flags = [
  '--target=wasm32-wasip1',
  '-std=c11',
  '-O3',
  '-nostdlib',
  '-ffreestanding',
  '-fno-builtin',
  '-fno-strict-aliasing',
  '-ffp-contract=off',
  '-Wall',
  '-Wextra',
  '-Wno-unused-parameter',
  '-Wno-unused-function',
  '-Werror',
  '-msimd128',
  '-matomics',
  '-mbulk-memory',
  '-mnontrapping-fptoint',
  '-msign-ext',
  '-mmutable-globals',
  '-Wl,--no-entry',
  '-Wl,--import-memory',
  '-Wl,--shared-memory',
  '-Wl,--max-memory=4294967296',
  '-Wl,--export=__stack_pointer',
  '-Wl,--strip-all',
];
const output = await runClang(['clang', ...flags, 'core.c', '-o', 'core.wasm'], sources);
const wasm = Buffer.from(output['core.wasm']);
const { dependencies } = JSON.parse(readFileSync(new URL('package.json', folder), 'utf8'));
const proof = `${JSON.stringify(
  {
    compiler: `@yowasp/clang ${dependencies['@yowasp/clang']}`,
    flags: flags.join(' '),
    sources: Object.fromEntries(names.map((name) => [name, sha256(sources[name])])),
    wasm: { bytes: wasm.length, sha256: sha256(wasm) },
  },
  null,
  2,
)}\n`;

if (process.argv.includes('--check')) {
  const same =
    wasm.equals(readFileSync(new URL('core.wasm', folder))) &&
    proof === readFileSync(new URL('core.json', folder), 'utf8');
  console.log(
    same ? 'core.wasm is what its sources compile to' : 'core.wasm or core.json differs from its sources',
  );
  process.exitCode = same ? 0 : 1;
} else {
  writeFileSync(new URL('core.wasm', folder), wasm);
  writeFileSync(new URL('core.json', folder), proof);
  console.log(`core.wasm: ${wasm.length} bytes, ${sha256(wasm).slice(0, 12)}`);
}
