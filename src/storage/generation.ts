/**
 * The directory of an index: one directory per generation, named by numbers that count up, and the file CURRENT, which
 * names the one to serve. A generation is written under a temporary name, synced to disk file by file, renamed, and
 * only then named by CURRENT, itself replaced by a rename: whenever the process or the machine stops, CURRENT names a
 * whole generation, the old one or the new.
 *
 * Temporary names start with `.staging-` and the id of the process that uses them, so that a later build can tell
 * what a killed one left behind from what a live one is still writing.
 */
import { copyFile, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { AttributeTypes } from '../index/config.ts';
import { encodeManifest, GENERATION_NAME, type Manifest, parseManifest } from '../index/manifest.ts';
import { NearpinError } from '../lib/errors.ts';
import { failpoint } from '../lib/failpoints.ts';
import { corruptFile, fileError } from './file-error.ts';
import { PIN_DATA_FILE } from './pin-store.ts';
import { syncPath } from './sync-path.ts';

const MANIFEST_FILE = 'manifest.json';
const CURRENT_FILE = 'CURRENT';

const DAMAGED_PREFIX = 'damaged-';
const STAGING_NAME = /^\.staging-(\d+)-/;
/** A manifest of 64 shards and 64 attributes takes some 16 KiB; more than this is not one. */
const MANIFEST_BYTES_MAX = 1024 * 1024;
const CURRENT_BYTES_MAX = 64;

/** Temporary paths in use by this process, in which one thread at most stages and publishes. */
const inUse = new Set<string>();

/**
 * Makes a directory to write a generation into, first removing those that killed processes left. It becomes a
 * generation by `publishGeneration` or goes by `abandonStaging`. Throws io_error.
 */
export async function stageGeneration(indexDir: string): Promise<string> {
  try {
    await mkdir(indexDir, { recursive: true });
    await removeLeftOvers(indexDir);
    return await temporaryDir(indexDir);
  } catch (error) {
    throw fileError(error, indexDir, null);
  }
}

/** Removes a staging directory and what is in it. */
export async function abandonStaging(staging: string): Promise<void> {
  await rm(staging, { recursive: true, force: true });
  inUse.delete(resolve(staging));
}

/**
 * Makes the content of a staging directory the index's newest generation, durably, and the current one unless
 * `isCurrent` is false. `manifestOf` gives the bytes of the manifest once the generation's name is known. Resolves to
 * that name; throws io_error.
 */
export async function publishGeneration(
  staging: string,
  manifestOf: (generation: string) => Uint8Array,
  isCurrent = true,
): Promise<string> {
  const indexDir = dirname(staging);
  try {
    await syncTree(staging);
    const generation = await renameToNext(staging, manifestOf);
    inUse.delete(resolve(staging));
    failpoint('generation.renamed');
    await syncPath(indexDir);
    await syncPath(dirname(indexDir));
    if (isCurrent) await setCurrentGeneration(indexDir, generation);
    return generation;
  } catch (error) {
    throw fileError(error, staging);
  }
}

/** Gives the staging directory the number after the highest there is; again when another process was faster. */
async function renameToNext(
  staging: string,
  manifestOf: (generation: string) => Uint8Array,
): Promise<string> {
  const indexDir = dirname(staging);
  for (;;) {
    const generation = String((await newestNumber(indexDir)) + 1).padStart(6, '0');
    await writeSynced(join(staging, MANIFEST_FILE), manifestOf(generation));
    await syncPath(staging);
    try {
      await rename(staging, join(indexDir, generation));
      return generation;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
    }
  }
}

/**
 * Makes a generation that exists the one to serve, durably: the rollback. Throws missing_file when there is no such
 * generation, or io_error.
 */
export async function setCurrentGeneration(indexDir: string, generation: string): Promise<void> {
  await checkGeneration(indexDir, generation);
  const current = join(indexDir, CURRENT_FILE);
  try {
    const temporary = await temporaryDir(indexDir);
    await writeSynced(join(temporary, CURRENT_FILE), Buffer.from(`${generation}\n`));
    await rename(join(temporary, CURRENT_FILE), current);
    failpoint('generation.current');
    await syncPath(indexDir);
    await abandonStaging(temporary);
  } catch (error) {
    throw fileError(error, current);
  }
}

/**
 * Name of the generation to serve. Throws unknown_index when the directory does not exist or never held a generation,
 * missing_file when CURRENT or what it names is gone, corrupt_file when CURRENT holds no name.
 */
export async function currentGeneration(indexDir: string): Promise<string> {
  const current = join(indexDir, CURRENT_FILE);
  const generations = await listGenerations(indexDir);
  const code = generations.length === 0 ? 'unknown_index' : 'missing_file';
  const text = (await readSmallFile(current, CURRENT_BYTES_MAX, code)).toString('latin1');
  const generation = text.endsWith('\n') ? text.slice(0, -1) : '';
  if (!GENERATION_NAME.test(generation)) throw corruptFile(current, 'does not hold the name of a generation');
  await checkGeneration(indexDir, generation);
  return generation;
}

/** Names of the generations there are, oldest first. Throws unknown_index when the directory does not exist. */
export async function listGenerations(indexDir: string): Promise<string[]> {
  try {
    const names = (await readdir(indexDir)).filter((name) => GENERATION_NAME.test(name));
    return names.sort((a, b) => Number(a) - Number(b));
  } catch (error) {
    throw fileError(error, indexDir, 'unknown_index');
  }
}

/** The greatest number that a generation has, or had before it was put aside. */
async function newestNumber(indexDir: string): Promise<number> {
  const names = (await readdir(indexDir)).map((name) =>
    name.startsWith(DAMAGED_PREFIX) ? name.slice(DAMAGED_PREFIX.length) : name,
  );
  return Math.max(0, ...names.filter((name) => GENERATION_NAME.test(name)).map(Number));
}

/**
 * Puts a damaged generation out of the way, where it can be looked into; its number is not used again. Resolves to its
 * new name; throws io_error.
 */
export async function setGenerationAside(indexDir: string, generation: string): Promise<string> {
  const name = `${DAMAGED_PREFIX}${generation}`;
  try {
    await rename(join(indexDir, generation), join(indexDir, name));
    await syncPath(indexDir);
    return name;
  } catch (error) {
    throw fileError(error, join(indexDir, generation));
  }
}

/**
 * Copies a generation that was built elsewhere into an index, as its newest, without making it current. Resolves to its
 * name there. Throws unknown_index, missing_file, corrupt_file, unsupported_version, disk_full or io_error.
 */
export async function adoptGeneration(indexDir: string, generationDir: string): Promise<string> {
  if ((await listGenerations(indexDir)).length === 0) {
    throw new NearpinError('unknown_index', `${indexDir} is not the directory of an index`);
  }
  const manifest = await readManifest(resolve(generationDir));
  const staging = await stageGeneration(indexDir);
  try {
    for (const { file } of manifest.shards) await copyFile(join(generationDir, file), join(staging, file));
    const { dir } = manifest.pins;
    await mkdir(join(staging, dir));
    await copyFile(join(generationDir, dir, PIN_DATA_FILE), join(staging, dir, PIN_DATA_FILE));
    return await publishGeneration(
      staging,
      (generation) => encodeManifest({ ...manifest, generation }),
      false,
    );
  } catch (error) {
    await abandonStaging(staging);
    throw fileError(error, generationDir);
  }
}

/**
 * Removes a generation that is not the current one. Processes that have it open keep it until they close it.
 * Throws bad_request for the current one, missing_file for one that does not exist, or io_error.
 */
export async function removeGeneration(indexDir: string, generation: string): Promise<void> {
  await checkGeneration(indexDir, generation);
  if (generation === (await currentGeneration(indexDir))) {
    throw new NearpinError('bad_request', `${join(indexDir, generation)} is the current generation`);
  }
  const path = join(indexDir, generation);
  try {
    // Out of sight in one step, so that no one opens it half removed.
    const temporary = await temporaryDir(indexDir);
    await rename(path, join(temporary, generation));
    await abandonStaging(temporary);
  } catch (error) {
    throw fileError(error, path);
  }
}

/**
 * The manifest in a generation's directory. Throws missing_file, unsupported_version, io_error, or corrupt_file, also
 * when it is the manifest of another generation.
 */
export async function readManifest(generationDir: string): Promise<Manifest> {
  const path = join(generationDir, MANIFEST_FILE);
  const manifest = parseManifest(await readSmallFile(path, MANIFEST_BYTES_MAX, 'missing_file'), path);
  if (manifest.generation !== basename(generationDir)) {
    throw corruptFile(path, `is the manifest of generation ${manifest.generation}`);
  }
  return manifest;
}

/**
 * Attribute types that the updates of an index's log were checked against: those of the newest generation that can be
 * read, but for one that is about to take the updates. Undefined when there is none. Throws unknown_index.
 */
export async function typesOfLog(indexDir: string, except?: string): Promise<AttributeTypes | undefined> {
  for (const name of (await listGenerations(indexDir)).reverse()) {
    if (name === except) continue;
    const manifest = await readManifest(join(indexDir, name)).catch(() => undefined);
    if (manifest) return manifest.config.attributes;
  }
  return undefined;
}

async function checkGeneration(indexDir: string, generation: string): Promise<void> {
  const path = join(indexDir, generation);
  // The name may come from a request; anything but a number could lead out of the directory.
  if (!GENERATION_NAME.test(generation)) {
    throw new NearpinError('missing_file', `${JSON.stringify(generation)} is not the name of a generation`);
  }
  try {
    await stat(path);
  } catch (error) {
    throw fileError(error, path);
  }
}

async function readSmallFile(
  path: string,
  bytesMax: number,
  missing: 'missing_file' | 'unknown_index',
): Promise<Buffer> {
  try {
    const { size } = await stat(path);
    if (size > bytesMax) throw corruptFile(path, `is ${size} bytes long, far over what it can hold`);
    return await readFile(path);
  } catch (error) {
    throw fileError(error, path, missing);
  }
}

/** Not mkdtemp, whose directories only their owner may read: a published generation is read by others. */
async function temporaryDir(indexDir: string): Promise<string> {
  for (let n = 1; ; n++) {
    const path = resolve(indexDir, `.staging-${process.pid}-${n}`);
    if (inUse.has(path)) continue;
    // Before it exists, so that a staging that starts meanwhile does not take it for a left-over.
    inUse.add(path);
    try {
      await mkdir(path);
      return path;
    } catch (error) {
      inUse.delete(path);
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}

/** Removes the temporary directories of processes that live no more, and those of a former owner of this one's id. */
async function removeLeftOvers(indexDir: string): Promise<void> {
  for (const name of await readdir(indexDir)) {
    const pid = Number(STAGING_NAME.exec(name)?.[1] ?? Number.NaN);
    if (Number.isNaN(pid)) continue;
    const path = resolve(indexDir, name);
    const isInUse = pid === process.pid ? inUse.has(path) : isAlive(pid);
    if (!isInUse) await rm(path, { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // It lives, under another user.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function writeSynced(path: string, bytes: Uint8Array): Promise<void> {
  await writeFile(path, bytes, { flush: true });
}

async function syncTree(dir: string): Promise<void> {
  for (const entry of await readdir(dir, { withFileTypes: true })) {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) await syncTree(path);
    else await syncPath(path);
  }
  await syncPath(dir);
}
