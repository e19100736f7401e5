/**
 * Reads the tree and fails on what no other test sees: an import that points up or across a layer, a file that
 * nothing imports, a package that does not belong to its layer, clocks and chance below the composition root, and
 * what must not be said in a public tree.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

/** Compiled, this file lies in dist/test; the tree begins where package.json is. */
const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');

/**
 * The layers, lowest first: what each may import beside itself, of which others it may use types, and which packages
 * are its own. Those without `io` use none of Node's modules: their input is their arguments. ARCHITECTURE.md draws
 * the same table.
 */
interface Layer {
  readonly layers: readonly string[];
  readonly types?: readonly string[];
  readonly packages: readonly string[];
  readonly io: boolean | readonly string[];
}
const LAYERS: Readonly<Record<string, Layer>> = {
  lib: { layers: [], packages: [], io: ['node:zlib'] },
  core: { layers: ['lib'], packages: ['koffi'], io: ['node:module'] },
  index: { layers: ['lib', 'core'], packages: [], io: false },
  storage: { layers: ['lib', 'index'], packages: ['lmdb', 'msgpackr', 'h5wasm'], io: true },
  shards: { layers: ['lib', 'core', 'index', 'storage'], packages: ['piscina'], io: true },
  lexical: {
    layers: ['lib', 'index', 'storage', 'shards'],
    packages: ['node-sqlite3-wasm'],
    io: false,
  },
  embed: { layers: ['lib'], packages: ['@xenova/transformers', '@huggingface/transformers'], io: true },
  engines: {
    layers: ['lib', 'core', 'index', 'storage', 'shards', 'lexical'],
    packages: ['hnswlib-node'],
    io: true,
  },
  build: { layers: ['lib', 'core', 'index', 'storage', 'shards', 'embed'], packages: [], io: true },
  retrieval: { layers: ['lib', 'index'], types: ['engines', 'core'], packages: [], io: false },
  train: { layers: ['lib', 'index', 'storage'], packages: ['piscina'], io: true },
  evaluation: { layers: ['lib', 'index', 'retrieval'], packages: [], io: false },
  server: {
    layers: ['lib', 'retrieval'],
    types: ['engines', 'index'],
    packages: [
      'fastify',
      'typebox',
      'msgpackr',
      'ajv',
      'jose',
      'mercurius',
      'graphql',
      '@opentelemetry/api',
      '@opentelemetry/sdk-trace-node',
    ],
    io: true,
  },
  client: { layers: [], types: ['lib', 'index', 'retrieval'], packages: ['msgpackr'], io: false },
  page: { layers: [], types: ['client'], packages: ['preact'], io: false },
  library: { layers: ['lib', 'index', 'embed', 'engines', 'retrieval'], packages: [], io: true },
  bench: {
    layers: [
      'lib',
      'core',
      'index',
      'storage',
      'shards',
      'embed',
      'engines',
      'build',
      'retrieval',
      'server',
      'library',
    ],
    types: ['evaluation'],
    packages: ['hnswlib-node', 'fastify', 'msgpackr'],
    io: true,
  },
  cli: {
    layers: [
      'lib',
      'core',
      'index',
      'storage',
      'shards',
      'embed',
      'engines',
      'build',
      'retrieval',
      'evaluation',
      'train',
      'server',
      'client',
      'library',
      'bench',
    ],
    packages: ['commander', 'cli-progress', 'pino', 'typebox'],
    io: true,
  },
};

interface Import {
  readonly from: string;
  readonly specifier: string;
  readonly isType: boolean;
}

function filesBelow(folder: string, ending: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending) && !name.includes('node_modules'))
    .map((name) => `${folder}/${name.replaceAll('\\', '/')}`);
}

const sources = [...filesBelow('src', '.ts'), ...filesBelow('src', '.tsx'), ...filesBelow('bench', '.ts')];
const text = new Map(sources.map((file) => [file, readFileSync(join(ROOT, file), 'utf8')]));

/** Imports and re-exports of a file, also dynamic ones; one whose names are all types counts as a type import. */
function importsOf(file: string): Import[] {
  const found: Import[] = [];
  const add = (specifier: ts.Node | undefined, isType: boolean) => {
    if (specifier && ts.isStringLiteral(specifier))
      found.push({ from: file, specifier: specifier.text, isType });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) {
      const clause = node.importClause;
      const names = clause?.namedBindings;
      const allTypes =
        names && ts.isNamedImports(names) && !clause.name && names.elements.every((name) => name.isTypeOnly);
      add(node.moduleSpecifier, clause?.phaseModifier === ts.SyntaxKind.TypeKeyword || allTypes === true);
    } else if (ts.isExportDeclaration(node)) {
      const names = node.exportClause;
      const allTypes = names && ts.isNamedExports(names) && names.elements.every((name) => name.isTypeOnly);
      add(node.moduleSpecifier, node.isTypeOnly || allTypes === true);
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      add(node.arguments[0], false);
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, text.get(file)!, ts.ScriptTarget.Latest, true));
  return found;
}

const imports = sources.flatMap(importsOf);
const resolved = ({ from, specifier }: Import) =>
  normalize(join(dirname(from), specifier)).replaceAll('\\', '/');
const layerOf = (file: string) => (file.startsWith('bench/') ? 'bench' : file.split('/')[1]!);

test('the tree that is checked is the whole one', () => {
  assert.ok(sources.length > 60, `${sources.length} files`);
  assert.ok(imports.length > 200, `${imports.length} imports`);
});

test('every folder of src is a layer, as bench is, and every layer a folder', () => {
  const folders = [...new Set(sources.map(layerOf))].sort();
  assert.deepEqual(folders, Object.keys(LAYERS).sort());
});

test('imports point down the layers', () => {
  for (const each of imports) {
    if (!each.specifier.startsWith('.')) continue;
    const own = layerOf(each.from);
    const other = layerOf(resolved(each));
    const { layers, types = [] } = LAYERS[own]!;
    const allowed = own === other || layers.includes(other) || (each.isType && types.includes(other));
    assert.ok(allowed, `${each.from} imports ${each.specifier}: ${own} may not use ${other}`);
    assert.ok(text.has(resolved(each)), `${each.from} imports ${each.specifier}, which is not there`);
  }
});

test('a package is used where its layer says, and Node by the layers that do I/O', () => {
  for (const { from, specifier } of imports) {
    if (specifier.startsWith('.')) continue;
    const { packages, io } = LAYERS[layerOf(from)]!;
    const allowed = specifier.startsWith('node:')
      ? io === true || (io !== false && io.includes(specifier))
      : packages.some((name) => specifier === name || specifier.startsWith(`${name}/`));
    assert.ok(allowed, `${from} imports ${specifier}`);
  }
});

test('every file is imported, is a worker, or is an entry', () => {
  const used = new Set(imports.filter(({ specifier }) => specifier.startsWith('.')).map(resolved));
  for (const file of sources) {
    for (const [, path] of text.get(file)!.matchAll(/new URL\(\s*'([^']+)\.js',\s*import\.meta\.url/g)) {
      used.add(normalize(join(dirname(file), `${path}.ts`)).replaceAll('\\', '/'));
    }
  }
  const entries = ['src/library/library.ts', 'src/cli/main.ts', 'src/client/client.ts', 'src/page/main.tsx'];
  entries.push(
    'bench/acceptance.ts',
    'bench/cases.ts',
    'bench/graphql.ts',
    'bench/live.ts',
    'bench/rss.ts',
    'bench/surfaces.ts',
  );
  for (const file of sources) assert.ok(used.has(file) || entries.includes(file), `${file} is dead`);
});

test('clock, chance and environment are arguments below the composition root', () => {
  // The page runs in a browser, where it is its own root
  const roots = /^src\/(cli|library|page)\/|^bench\/|-worker\.ts$/;
  for (const file of sources) {
    if (roots.test(file)) continue;
    const found = /\b(Date\.now|Math\.random|process\.env|process\.argv)\b/.exec(
      withoutComments(text.get(file)!),
    );
    assert.equal(found, null, `${file} uses ${found?.[0]}`);
  }
});

test('a source file opens with its idea', () => {
  for (const file of sources) {
    assert.match(text.get(file)!, /^(#!.*\n)?\/\*\*/, `${file} does not open with a comment`);
  }
});

test('nothing is left to do, skipped or switched off', () => {
  const files = [...sources, ...filesBelow('test', '.ts'), ...filesBelow('native', '.h'), 'native/core.c'];
  // Written in parts, so that this file does not find itself
  const marks = [
    ['TO', 'DO'],
    ['FIX', 'ME'],
    ['XX', 'X'],
    ['test.', 'only'],
    ['it.', 'only'],
    ['@ts-', 'ignore'],
  ];
  for (const file of files) {
    const content = readFileSync(join(ROOT, file), 'utf8');
    for (const mark of marks) assert.ok(!content.includes(mark.join('')), `${file} says ${mark.join('')}`);
  }
});

test('documents name files that exist', () => {
  for (const document of ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'docs/operations.md']) {
    const content = readFileSync(join(ROOT, document), 'utf8');
    const named = [...content.matchAll(/`((?:src|native|test|bench|indexes|docs)\/[\w./-]+\.\w+)`/g)].map(
      (match) => match[1]!,
    );
    assert.ok(named.length > 0, `${document} names no file`);
    for (const file of named) {
      if (file.startsWith('indexes/') && file !== 'indexes/README.md') continue;
      const folder = dirname(file);
      const there = readdirSync(join(ROOT, folder)).includes(relative(folder, file));
      assert.ok(there, `${document} names ${file}, which is not there`);
    }
  }
});

test('the architecture document shows every layer', () => {
  const content = readFileSync(join(ROOT, 'ARCHITECTURE.md'), 'utf8');
  for (const layer of Object.keys(LAYERS)) {
    const folder = layer === 'bench' ? 'bench/' : `src/${layer}/`;
    assert.ok(content.includes(`\`${folder}\``), `ARCHITECTURE.md does not show ${folder}`);
  }
});

function withoutComments(source: string): string {
  return source.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
}
