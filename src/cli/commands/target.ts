/** What the commands that change an index work on: an index in this process, or with --url a server's. */
import { basename, resolve } from 'node:path';
import type { Option } from 'commander';
import { createClient } from '../../client/client.ts';
import { openIndex } from '../../library/library.ts';
import type {
  DeleteAnswer,
  DeleteRequest,
  GenerationDescription,
  UpsertAnswer,
  UpsertRequest,
} from '../../retrieval/contract.ts';
import { downloadOption, jsonOption, keyOption, modelDirOption, option } from '../options.ts';

/** A checkpoint of gigabytes, or a publishing, takes its time. */
const TIMEOUT_MS = 3_600_000;

export interface TargetOptions {
  readonly url?: string;
  readonly key?: string;
  readonly modelDir?: string;
  readonly allowDownload: boolean;
  readonly json: boolean;
}

export const targetOptions = (): Option[] => [
  option('--url <url>', 'work on the index of the server there; the index is then its name'),
  keyOption(),
  modelDirOption(),
  downloadOption(),
  jsonOption(),
];

export interface Target {
  upsert(request: UpsertRequest): Promise<UpsertAnswer>;
  delete(request: DeleteRequest): Promise<DeleteAnswer>;
  checkpoint(): Promise<GenerationDescription>;
  generations(): Promise<readonly GenerationDescription[]>;
  publish(generation: string): Promise<GenerationDescription>;
}

/** Runs something on the index that a command names. */
export async function onTarget<Result>(
  index: string,
  options: TargetOptions,
  run: (target: Target) => Promise<Result>,
): Promise<Result> {
  if (options.url !== undefined) {
    const client = createClient({ url: options.url, key: options.key, timeoutMs: TIMEOUT_MS });
    const name = basename(resolve(index));
    return run({
      upsert: (request) => client.upsert(name, request),
      delete: (request) => client.delete(name, request),
      checkpoint: () => client.checkpoint(name),
      generations: async () => (await client.generations(name)).generations,
      publish: (generation) => client.publish(name, generation),
    });
  }
  const opened = await openIndex(index, { workers: 1, ...options });
  try {
    return await run(opened);
  } finally {
    await opened.close();
  }
}
