/** What keeps a server with such settings from starting, beside the values alone: files that are not there, and what does not go together. */
import { access, constants, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errorAt } from '../lib/errors.ts';
import { checkOperations } from '../server/graphql/operations.ts';
import { addressesOf } from './addresses.ts';
import { checkAuth } from './auth.ts';
import { certificateSettings, readCertificate } from './certificate-files.ts';
import { readGraphql } from './graphql.ts';
import { readKeys } from './keys-file.ts';
import type { Settings } from './settings.ts';

/** Throws bad_config, naming the setting; auth_required; or what is wrong with the file of keys. */
export async function checkSettings(settings: Settings): Promise<void> {
  const { indexes, modelDir, exposures, auditLog, keysFile } = settings;
  addressesOf(settings);
  checkAuth(settings);
  if (keysFile !== undefined) await readKeys(keysFile);
  if (auditLog !== undefined) await checkPlace('auditLog', auditLog);
  const { operations } = await readGraphql(settings);
  if (operations !== undefined) checkOperations(operations);
  await checkDirectory('indexes', indexes);
  if (modelDir !== undefined) await checkDirectory('modelDir', modelDir);
  if (exposures !== undefined) await checkPlace('exposures', exposures);
  const certificate = certificateSettings(settings);
  if (certificate) await readCertificate(certificate, Date.now());
}

async function checkDirectory(name: string, path: string): Promise<void> {
  try {
    if (!(await stat(path)).isDirectory()) throw new Error(`${path} is not a directory`);
    await access(path, constants.R_OK);
  } catch (error) {
    throw errorAt('bad_config', name, (error as Error).message);
  }
}

/** Whether a file can be made there, or is one that can be written to. */
async function checkPlace(name: string, path: string): Promise<void> {
  await checkDirectory(name, dirname(path));
  try {
    if (!(await stat(path)).isFile()) throw new Error(`${path} is not a file`);
    await access(path, constants.W_OK);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT') throw errorAt('bad_config', name, message);
  }
}
