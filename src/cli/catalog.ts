/** The indexes of a directory, loaded one after the other; one that cannot be loaded does not keep the others. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { ModelSource } from '../embed/models.ts';
import type { EngineHost } from '../engines/open-engine.ts';
import { type AssembledIndex, assembleIndex } from '../library/assemble.ts';
import type { Catalog, CatalogEntry } from '../server/catalog.ts';

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

/** Throws when the directory cannot be read. */
export function createCatalog(indexesDir: string, host: EngineHost, source: ModelSource): LoadedCatalog {
  const entries = new Map<string, CatalogEntry>();
  const open: AssembledIndex[] = [];
  for (const name of indexNames(indexesDir)) entries.set(name, { name, status: 'loading' });
  return {
    list: () => [...entries.values()],
    get: (name) => entries.get(name),
    load: async (onEntry) => {
      for (const name of entries.keys()) {
        let entry: CatalogEntry;
        let assembled: AssembledIndex | undefined;
        try {
          assembled = await assembleIndex(join(indexesDir, name), host, source);
          open.push(assembled);
          entry = { name, status: 'ready', index: assembled.index };
        } catch (error) {
          entry = { name, status: 'failed', error };
        }
        entries.set(name, entry);
        onEntry(entry, assembled);
      }
    },
    close: async () => {
      for (const assembled of open) await assembled.close();
    },
  };
}
