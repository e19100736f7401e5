// Compiles hnswlib-node once more, for the processor of this machine: what npm builds runs on any x86-64 and so without
// AVX. Needs what hnswlib-node needs anyway: python, make and a C++ compiler. The result stays in bench/peers/native.
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const FLAGS = '-march=native -O3';
const folder = fileURLToPath(new URL('native/', import.meta.url));
const { version } = createRequire(import.meta.url)('hnswlib-node/package.json');

mkdirSync(folder, { recursive: true });
const manifest = {
  private: true,
  dependencies: { 'hnswlib-node': version },
  allowScripts: { 'hnswlib-node': true },
};
writeFileSync(`${folder}package.json`, `${JSON.stringify(manifest, null, 2)}\n`);
const env = { ...process.env, CFLAGS: FLAGS, CXXFLAGS: FLAGS };
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
for (const args of [
  ['install', '--no-audit', '--no-fund', '--no-package-lock'],
  // An installed package is not compiled again by installing it
  ['rebuild', 'hnswlib-node'],
]) {
  const { status } = spawnSync(npm, args, { cwd: folder, env, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
console.log(`hnswlib-node ${version} compiled with ${FLAGS}`);
