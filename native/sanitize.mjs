// Builds the core for this machine under AddressSanitizer and UndefinedBehaviorSanitizer and runs native_test.c: random
// work on several configs, then damaged memory images. Exits 1 on any report. `CC` names the compiler (cc: gcc or clang);
// arguments: the number of seeds (2), steps per config and seed (150), damaged images (3000).
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const compiler = process.env.CC ?? 'cc';
const [seeds = 2, steps = 150, images = 3000] = process.argv.slice(2).map(Number);
const source = fileURLToPath(new URL('native_test.c', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'nearpin-native-'));

const flags = [
  '-std=gnu11',
  '-O1',
  '-g',
  '-fno-strict-aliasing',
  '-ffp-contract=off',
  '-fsanitize=address,undefined',
  '-fno-sanitize-recover=all',
  '-Wall',
  '-Wextra',
  '-Werror',
  '-Wno-unused-parameter',
  '-Wno-unused-function',
  '-Wno-unknown-pragmas',
];
// WebAssembly allows an unaligned access and wraps an address, so a damaged image may cause both.
const fuzzFlags = ['-DNP_FUZZ', '-fno-sanitize=alignment,pointer-overflow'];

function run(command, args) {
  const { status, signal, error } = spawnSync(command, args, { stdio: 'inherit' });
  if (status === 0) return true;
  console.error(`${[command, ...args].join(' ')}: ${error?.message ?? signal ?? `exit ${status}`}`);
  return false;
}

function build(name, extra) {
  const program = join(folder, name);
  return run(compiler, [...flags, ...extra, source, '-lm', '-o', program]) ? program : undefined;
}

try {
  const test = build('test', []);
  const fuzz = build('fuzz', fuzzFlags);
  let good = test !== undefined && fuzz !== undefined;
  for (let seed = 1; good && seed <= seeds; seed++) good = run(test, [String(seed), String(steps)]);
  if (good) good = run(fuzz, ['1', String(images)]);
  process.exitCode = good ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
