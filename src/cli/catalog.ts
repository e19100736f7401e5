/** The indexes of a directory, loaded one after the other; one that cannot be loaded does not keep the others. */
import { existsSync, readdirSync, renameSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { createIndex } from '../build/create-index.ts';
import { type ModelSource, openEmbedder } from '../embed/models.ts';
import type { Warning } from '../engines/engine.ts';
import type { EngineHost } from '../engines/engine-host.ts';
import { type IndexConfig, resolveConfig } from '../index/config.ts';
import type { ModelDescription } from '../index/manifest.ts';
import { errorAt, NearpinError } from '../lib/errors.ts';
import { type AssembledIndex, assembleIndex } from '../library/assemble.ts';
import type { ServedIndex } from '../retrieval/open-index.ts';
import type { Catalog, CatalogAdmin, CatalogEntry } from '../server/catalog.ts';
import { readAliases, writeAliases } from '../storage/aliases.ts';
import { MixerFile, type MixerState } from './mixer-file.ts';
import { LOOK_MS } from './watched-file.ts';

/** Names of indexes and aliases: also names of directories, and never hidden. */
export const INDEX_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/** Of models that requests may name: `name` or `org/name`, no step of which is hidden or leads up. */
const MODEL_NAME = /^\w[\w.-]{0,127}(\/\w[\w.-]{0,127})?$/;

export interface LoadedCatalog extends Catalog {
  /** Loads every index; `onEntry` hears how each ended. Never rejects. */
  load(onEntry: (entry: CatalogEntry, assembled?: AssembledIndex) => void): Promise<void>;
  close(): Promise<void>;
}

/** Directories below `indexesDir` that may be indexes: none whose name is hidden. */
function indexNames(indexesDir: string): string[] {
  return readdirSync(indexesDir)
    .filter((name) => !name.startsWith('.') && statSync(join(indexesDir, name)).isDirectory())
    .sort();
}

/**
 * Opens a model that a request names: one of the model folder or the hub, never any folder of this machine. That there
 * is none is the request's fault.
 */
async function openNamed(name: string, source: ModelSource) {
  if (!MODEL_NAME.test(name)) throw errorAt('bad_config', 'config.model', 'must be the name of a model');
  try {
    return await openEmbedder({ ...source, name });
  } catch (error) {
    const { code, message } = error as NearpinError;
    if (code !== 'model_unavailable' && code !== 'missing_file') throw error;
    throw new NearpinError('bad_config', message, [{ path: 'config.model', message }], { cause: error });
  }
}

/** The config of an empty index, and the model that its texts are embedded with. */
async function configFor(
  input: unknown,
  source: ModelSource,
): Promise<{ config: IndexConfig; model: ModelDescription | null }> {
  const name = (input as { model?: unknown } | null)?.model;
  // name@revision says what made the vectors; a bare name is a model to open
  if (typeof name !== 'string' || name.includes('@')) return { config: resolveConfig(input), model: null };
  const embedder = await openNamed(name, source);
  try {
    const model = { ...embedder.description };
    const config = resolveConfig({ ...(input as object), model: `${model.name}@${model.revision}` });
    if (config.dim !== model.dim) {
      throw errorAt(
        'bad_config',
        'config.dim',
        `is ${config.dim} where ${name} makes ${model.dim} dimensions`,
      );
    }
    return { config, model };
  } finally {
    await embedder.close();
  }
}

/** Lets an index answer by what its mixer file says now, and tells what is wrong with that. */
function followMixer(
  assembled: AssembledIndex,
  { mixer, problem }: MixerState,
  warn: (warning: Warning) => void,
): void {
  assembled.setMixer(mixer, problem);
  if (problem) {
    const rest = mixer === undefined ? 'the defaults are' : 'the one before is';
    warn({ code: problem.code, message: `mixer.json is not in force, ${rest}: ${problem.message}` });
  }
  const generations = (mixer?.shadows ?? []).flatMap(({ generation }) => generation ?? []);
  void assembled.keepBeside(generations, onShadowProblem(warn));
}

const onShadowProblem = (warn: (warning: Warning) => void) => (generation: string, error: unknown) => {
  const { code = 'internal', message } = error as NearpinError;
  warn({ code, message: `generation ${generation} is not loaded for shadows: ${message}` });
};

/** Throws when the directory cannot be read. `onWarning` hears what those who run the indexes should know. */
export async function createCatalog(
  indexesDir: string,
  host: EngineHost,
  source: ModelSource,
  onWarning: (index: string, warning: Warning) => void,
): Promise<LoadedCatalog> {
  const entries = new Map<string, CatalogEntry>();
  const open = new Map<string, AssembledIndex>();
  const mixers = new Map<string, MixerFile>();
  const aliases = await readAliases(indexesDir);
  for (const name of indexNames(indexesDir)) entries.set(name, { name, status: 'loading' });

  const assemble = async (name: string): Promise<AssembledIndex> => {
    const dir = join(indexesDir, name);
    const assembled = await assembleIndex(dir, host, source, {
      onWarning: (warning) => onWarning(name, warning),
    });
    const mixer = new MixerFile(dir, (state) =>
      followMixer(assembled, state, (warning) => onWarning(name, warning)),
    );
    await mixer.look(assembled.current().engine.config);
    open.set(name, assembled);
    mixers.set(name, mixer);
    entries.set(name, { name, status: 'ready', index: assembled });
    return assembled;
  };
  const looking = setInterval(() => {
    for (const [name, mixer] of mixers) {
      mixer
        .look(open.get(name)!.current().engine.config)
        .catch((error: Error) => onWarning(name, { code: 'internal', message: error.message }));
      void open.get(name)!.followBeside(onShadowProblem((warning) => onWarning(name, warning)));
    }
  }, LOOK_MS);
  looking.unref();
  /** Changes of the directory, one after the other. */
  let last: Promise<unknown> = Promise.resolve();
  const exclusively = <Result>(run: () => Promise<Result>): Promise<Result> => {
    const done = last.then(run);
    last = done.catch(() => {});
    return done;
  };

  const create = async (name: string, input: unknown): Promise<ServedIndex> => {
    if (!INDEX_NAME.test(name))
      throw errorAt('bad_request', 'index', 'must be letters, digits, dots, dashes and underscores');
    if (aliases.has(name))
      throw errorAt('index_exists', 'index', `${name} is an alias of ${aliases.get(name)}`);
    const known = open.get(name);
    const { config, model } = await configFor(input, source);
    if (known) {
      if (isDeepStrictEqual(known.current().engine.config, config)) return known;
      throw errorAt('index_exists', 'index', `index ${name} is there, with another config`);
    }
    const dir = join(indexesDir, name);
    if (existsSync(dir)) throw errorAt('index_exists', 'index', `${name} is there, and cannot be served`);
    await createIndex(dir, config, model, host.module);
    return assemble(name);
  };
  const remove = async (name: string): Promise<void> => {
    if (!entries.has(name)) throw errorAt('unknown_index', 'index', `there is no index ${name}`);
    const alias = [...aliases].find(([, index]) => index === name)?.[0];
    if (alias !== undefined) throw errorAt('bad_request', 'index', `the alias ${alias} stands for it`);
    entries.delete(name);
    mixers.delete(name);
    await open.get(name)?.close();
    open.delete(name);
    // Out of sight in one step, so that a start in between does not find half an index
    const gone = join(indexesDir, `.removed-${name}-${process.pid}`);
    renameSync(join(indexesDir, name), gone);
    await rm(gone, { recursive: true, force: true });
  };
  const changeAliases = async (change: (next: Map<string, string>) => void): Promise<void> => {
    const next = new Map(aliases);
    change(next);
    await writeAliases(indexesDir, next);
    aliases.clear();
    for (const [alias, index] of next) aliases.set(alias, index);
  };
  const admin: CatalogAdmin = {
    create: (name, config) => exclusively(() => create(name, config)),
    remove: (name) => exclusively(() => remove(name)),
    aliases: () => aliases,
    setAlias: (alias, index) =>
      exclusively(async () => {
        if (!INDEX_NAME.test(alias))
          throw errorAt('bad_request', 'alias', 'must be letters, digits, dots, dashes and underscores');
        if (entries.has(alias)) throw errorAt('index_exists', 'alias', `${alias} is an index`);
        if (!entries.has(index)) throw errorAt('unknown_index', 'index', `there is no index ${index}`);
        await changeAliases((next) => next.set(alias, index));
      }),
    removeAlias: (alias) =>
      exclusively(async () => {
        if (!aliases.has(alias)) throw new NearpinError('unknown_alias', `there is no alias ${alias}`);
        await changeAliases((next) => next.delete(alias));
      }),
  };
  return {
    admin,
    list: () => [...entries.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
    get: (name) => entries.get(name) ?? entries.get(aliases.get(name) ?? ''),
    load: async (onEntry) => {
      for (const name of [...entries.keys()]) {
        try {
          const assembled = await assemble(name);
          onEntry(entries.get(name)!, assembled);
        } catch (error) {
          const entry: CatalogEntry = { name, status: 'failed', error };
          entries.set(name, entry);
          onEntry(entry);
        }
      }
    },
    close: async () => {
      clearInterval(looking);
      await last;
      for (const assembled of open.values()) await assembled.close();
    },
  };
}
