import assert from 'node:assert/strict';
import test, { describe } from 'node:test';
import { DEFAULTS, resolveConfig } from '../../src/index/config.ts';
import { LIMITS } from '../../src/lib/limits.ts';
import { refuses } from '../lib/refuses.ts';

describe('index config', () => {
  test('needs only a dim; everything else has a default', () => {
    for (const [dim, precision] of [
      [8, 'i8+i10'],
      [31, 'i8+i10'],
      [32, 'i8+i4'],
      [64, 'i8+i4'],
      [65, 'i8+i10'],
    ] as const) {
      const config = { dim, precision, ...DEFAULTS, attributes: {}, model: null };
      assert.deepEqual(resolveConfig({ dim }), config);
    }
  });

  test('keeps what it is given and resolves to itself', () => {
    const given = {
      dim: 64,
      metric: 'l2',
      shards: 4,
      attributes: { price: 'number', tags: 'keyword[]', constructor: 'bool', at: 'time', kind: 'keyword' },
      model: 'org/some-model@v1.2',
      m: 8,
      efConstruction: 50,
      precision: 'f32',
      seed: 4294967295,
    };
    const resolved = resolveConfig(given);
    assert.deepEqual(resolved, given);
    assert.deepEqual(resolveConfig(JSON.parse(JSON.stringify(resolved))), given);
  });

  test('takes undefined for absent and null only for the model', () => {
    assert.equal(resolveConfig({ dim: 8, m: undefined, model: null }).m, DEFAULTS.m);
    refuses(() => resolveConfig({ dim: 8, m: null }), 'bad_config', 'config.m');
  });

  test('efConstruction may not be below m', () => {
    assert.equal(resolveConfig({ dim: 8, m: 32, efConstruction: 32 }).efConstruction, 32);
    refuses(
      () => resolveConfig({ dim: 8, m: 32, efConstruction: 31 }),
      'bad_config',
      'config.efConstruction',
    );
  });

  const many = Object.fromEntries(
    Array.from({ length: LIMITS.attributesMax + 1 }, (_, i) => [`a${i}`, 'bool']),
  );
  const bad: [unknown, string][] = [
    [null, 'config'],
    [[], 'config'],
    ['x', 'config'],
    [new Map(), 'config'],
    [{}, 'config.dim'],
    [{ dim: '8' }, 'config.dim'],
    [{ dim: 8.5 }, 'config.dim'],
    [{ dim: Number.NaN }, 'config.dim'],
    [{ dim: LIMITS.dimMin - 1 }, 'config.dim'],
    [{ dim: LIMITS.dimMax + 1 }, 'config.dim'],
    [{ dim: 8, dims: 8 }, 'config.dims'],
    [JSON.parse('{"dim": 8, "__proto__": {"m": 4}}'), 'config.__proto__'],
    [{ dim: 8, metric: 'euclid' }, 'config.metric'],
    [{ dim: 65, precision: 'i8+i4' }, 'config.precision'],
    [{ dim: 8, metric: ['l2'] }, 'config.metric'],
    [{ dim: 8, precision: 'f16' }, 'config.precision'],
    [{ dim: 8, m: 3 }, 'config.m'],
    [{ dim: 8, m: 65 }, 'config.m'],
    [{ dim: 8, efConstruction: 2001 }, 'config.efConstruction'],
    [{ dim: 8, shards: 0 }, 'config.shards'],
    [{ dim: 8, shards: LIMITS.shardsMax + 1 }, 'config.shards'],
    [{ dim: 8, seed: -1 }, 'config.seed'],
    [{ dim: 8, seed: 2 ** 32 }, 'config.seed'],
    [{ dim: 8, model: 'no-revision' }, 'config.model'],
    [{ dim: 8, model: '@r' }, 'config.model'],
    [{ dim: 8, model: 'n@' }, 'config.model'],
    [{ dim: 8, model: 'a\nb@r' }, 'config.model'],
    [{ dim: 8, model: `${'n'.repeat(LIMITS.modelNameBytesMax)}@r` }, 'config.model'],
    [{ dim: 8, attributes: [] }, 'config.attributes'],
    [{ dim: 8, attributes: null }, 'config.attributes'],
    [{ dim: 8, attributes: many }, 'config.attributes'],
    [{ dim: 8, attributes: { price: 'float' } }, 'config.attributes.price'],
    [{ dim: 8, attributes: { price: null } }, 'config.attributes.price'],
    [{ dim: 8, attributes: { '': 'bool' } }, 'config.attributes.'],
    [{ dim: 8, attributes: { $and: 'bool' } }, 'config.attributes.$and'],
    [{ dim: 8, attributes: { 'a\0b': 'bool' } }, 'config.attributes.a\0b'],
    [{ dim: 8, attributes: { '\ud800': 'bool' } }, 'config.attributes.\ud800'],
    [{ dim: 8, attributes: JSON.parse('{"__proto__": "bool"}') }, 'config.attributes.__proto__'],
  ];
  for (const [config, path] of bad) {
    test(`refuses ${JSON.stringify(config)?.slice(0, 60)} at ${JSON.stringify(path)}`, () => {
      refuses(() => resolveConfig(config), 'bad_config', path);
    });
  }

  test('an attribute name is limited in bytes, not characters', () => {
    const longest = 'é'.repeat(LIMITS.attributeNameBytesMax / 2);
    assert.ok(longest in resolveConfig({ dim: 8, attributes: { [longest]: 'bool' } }).attributes);
    refuses(() => resolveConfig({ dim: 8, attributes: { [`${longest}e`]: 'bool' } }), 'bad_config');
  });

  test('names the path it is told', () => {
    refuses(() => resolveConfig({ dim: 1 }, 'indexes[3]'), 'bad_config', 'indexes[3].dim');
    refuses(() => resolveConfig({ dim: 1 }, ''), 'bad_config', 'dim');
  });
});
