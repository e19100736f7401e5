/** What keeps a server with such settings from starting, beside the values alone: files that are not there, and what does not go together. */
import { access, constants, stat } from 'node:fs/promises';
import { errorAt } from '../lib/errors.ts';
import { checkOperations } from '../server/graphql/operations.ts';
import { readGraphql } from './graphql.ts';
import type { Settings } from './settings.ts';

/** Throws bad_config, naming the setting. */
export async function checkSettings(settings: Settings): Promise<void> {
  const { indexes, modelDir } = settings;
  const { operations } = await readGraphql(settings);
  if (operations !== undefined) checkOperations(operations);
  await checkDirectory('indexes', indexes);
  if (modelDir !== undefined) await checkDirectory('modelDir', modelDir);
}

async function checkDirectory(name: string, path: string): Promise<void> {
  try {
    if (!(await stat(path)).isDirectory()) throw new Error(`${path} is not a directory`);
    await access(path, constants.R_OK);
  } catch (error) {
    throw errorAt('bad_config', name, (error as Error).message);
  }
}
