import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import test from 'node:test';
import {
  DEFINITION_DEFAULTS,
  definitionNames,
  override,
  parseDefinition,
  readDefinition,
} from '../../bench/definition.ts';
import { DEFAULT_EF } from '../../src/engines/shard-engine.ts';
import { refuses } from '../lib/refuses.ts';
import { temporaryDir } from '../storage/temporary.ts';

const SETS = [{ name: 'clustered' }];

test('every definition that is shipped can be read', () => {
  const names = definitionNames();
  for (const name of [
    'build',
    'filtered',
    'kernels',
    'load',
    'memory',
    'overload',
    'peers',
    'recall-latency',
    'scaling',
    'service',
    'threads',
  ]) {
    assert.ok(names.includes(name), name);
  }
  for (const name of names) assert.notEqual(readDefinition(name).title, '', name);
});

test('the definitions are part of the package', () => {
  const { files } = createRequire(import.meta.url)('nearpin/package.json') as { files: string[] };
  assert.ok(files.includes('bench/definitions'));
});

test('what a definition leaves out has a default, and its own values stand', () => {
  const definition = parseDefinition({ kind: 'search', sets: SETS, ef: ['default', 20], k: 5 }, 'd');
  assert.deepEqual(definition.ef, [DEFAULT_EF, 20]);
  assert.equal(definition.k, 5);
  assert.equal(definition.m, DEFINITION_DEFAULTS.m);
  assert.equal(definition.sets[0]!.name, 'clustered');
});

test('a bad value is refused at its path', () => {
  const bad: [object, string][] = [
    [{ sets: SETS }, 'd.kind'],
    [{ kind: 'dance', sets: SETS }, 'd.kind'],
    [{ kind: 'search' }, 'd.sets'],
    [{ kind: 'search', sets: [] }, 'd.sets'],
    [{ kind: 'search', sets: [{}] }, 'd.sets[0]'],
    [{ kind: 'search', sets: [{ name: 'x', queries: 'q.fvecs' }] }, 'd.sets[0]'],
    [{ kind: 'search', sets: [{ name: 'x', count: 0 }] }, 'd.sets[0].count'],
    [{ kind: 'search', sets: [{ name: 'x', colour: 1 }] }, 'd.sets[0].colour'],
    [{ kind: 'search', sets: SETS, engines: ['wasm', 'abacus'] }, 'd.engines[1]'],
    [{ kind: 'search', sets: SETS, ef: [10, 0] }, 'd.ef[1]'],
    [{ kind: 'search', sets: SETS, selectivities: [1, 0] }, 'd.selectivities[1]'],
    [{ kind: 'search', sets: SETS, filters: ['taste'] }, 'd.filters[0]'],
    [{ kind: 'search', sets: SETS, passes: 1.5 }, 'd.passes'],
    [{ kind: 'search', sets: SETS, speed: 1 }, 'd.speed'],
  ];
  for (const [value, path] of bad) refuses(() => parseDefinition(value, 'd'), 'bad_config', path);
  refuses(() => parseDefinition([], 'd'), 'bad_config');
});

test('a file of the same form serves as a definition', async (t) => {
  const path = join(await temporaryDir(t), 'own.json');
  writeFileSync(path, JSON.stringify({ kind: 'kernels', dims: [32] }));
  assert.deepEqual(readDefinition(path).dims, [32]);
  writeFileSync(path, '{');
  refuses(() => readDefinition(path), 'bad_config', 'definition');
  refuses(() => readDefinition(`${path}.none`), 'bad_config', 'definition');
});

test('the command line says more than the definition, and a set that it cuts to the same is measured once', () => {
  const scaling = readDefinition('scaling');
  const cut = override(scaling, { count: 50_000, queryCount: 10, engines: ['exact'], k: undefined });
  assert.deepEqual(
    cut.sets.map(({ count, queryCount }) => [count, queryCount]),
    [
      [10_000, 10],
      [30_000, 10],
      [50_000, 10],
    ],
  );
  assert.deepEqual(cut.engines, ['exact']);
  assert.equal(cut.k, scaling.k);
});
