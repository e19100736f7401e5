/**
 * The files of the page, read once. Which they are follows from what its root imports: modules of our own as they were
 * compiled, and those of packages, which an import map gives addresses. All lie below one folder that is named by a hash of
 * them all, so that each may be kept for ever and none is ever of another version than the rest.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

export interface Asset {
  readonly type: string;
  readonly bytes: Buffer;
}

export interface PageAssets {
  /** Of all bytes. */
  readonly version: string;
  /** By their path below the folder. */
  readonly files: ReadonlyMap<string, Asset>;
  /** Paths of the modules among them, the root first. */
  readonly modules: readonly string[];
  /** Paths by what modules import. */
  readonly packages: ReadonlyMap<string, string>;
}

export const ROOT_MODULE = 'main.js';
export const STYLE = 'page.css';
export const ICON = 'icon.svg';

const SCRIPT_TYPE = 'text/javascript; charset=utf-8';
const STYLE_TYPE = 'text/css; charset=utf-8';
const ICON_TYPE = 'image/svg+xml';
const COMPILED = new URL('../../page/', import.meta.url);
/** As it is in the package: what the compiler does not touch lies with the sources. */
const SOURCES = new URL('../../../../src/page/', import.meta.url);

/** What a compiled module imports: another one, or a package. */
const IMPORT = /^(?:im|ex)port\b[^;'"]*\bfrom\s*["']([^"']+)["']/gm;
/** Nobody is to look for what is not served. */
const SOURCE_MAP = /\n\/\/# sourceMappingURL=.*\s*$/;

let read: PageAssets | undefined;

/** Throws when a file is missing: the page was not built, or a package not installed. */
export function pageAssets(): PageAssets {
  read ??= readAssets();
  return read;
}

function readAssets(): PageAssets {
  const files = new Map<string, Asset>();
  const packages = new Map<string, string>();
  const take = (path: string, type: string, file: URL): string => {
    const text = readFileSync(file, 'utf8').replace(SOURCE_MAP, '\n');
    files.set(path, { type, bytes: Buffer.from(text) });
    return text;
  };
  const takeModule = (path: string, file: URL): void => {
    if (files.has(path)) return;
    for (const [, specifier] of take(path, SCRIPT_TYPE, file).matchAll(IMPORT)) {
      if (specifier!.startsWith('.')) {
        const imported = new URL(specifier!, new URL(path, COMPILED));
        takeModule(imported.href.slice(COMPILED.href.length), imported);
      } else {
        const imported = `packages/${specifier!.replace('/', '-')}.js`;
        packages.set(specifier!, imported);
        takeModule(imported, new URL(import.meta.resolve(specifier!)));
      }
    }
  };

  takeModule(ROOT_MODULE, new URL(ROOT_MODULE, COMPILED));
  const modules = [...files.keys()];
  take(STYLE, STYLE_TYPE, new URL(STYLE, SOURCES));
  take(ICON, ICON_TYPE, new URL(ICON, SOURCES));
  const hash = createHash('sha256');
  for (const [path, { bytes }] of files) hash.update(`${path}\0${bytes.length}\0`).update(bytes);
  return { version: hash.digest('hex').slice(0, 16), files, modules, packages };
}
