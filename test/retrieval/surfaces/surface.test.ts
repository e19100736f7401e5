/** Surfaces as data: what is merged over what, and what is refused where. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { DEFAULTS, defaultPrecision, type IndexConfig } from '../../../src/index/config.ts';
import { NearpinError } from '../../../src/lib/errors.ts';
import { LIMITS } from '../../../src/lib/limits.ts';
import { SOURCES } from '../../../src/retrieval/sources/table.ts';
import { DEFAULT_SURFACES } from '../../../src/retrieval/surfaces/defaults.ts';
import {
  checkSurface,
  DEFAULT_LAMBDA,
  overrideSurface,
  SURFACE_NAMES,
  surfaceInForce,
} from '../../../src/retrieval/surfaces/surface.ts';
import { memoryEngine } from '../../support/memory-engine.ts';

const CONFIG: IndexConfig = {
  ...DEFAULTS,
  precision: defaultPrecision(8),
  dim: 4,
  metric: 'cosine',
  attributes: { category: 'keyword', at: 'time' },
  model: null,
};
const sources = { seeds: { source: 'seeds' } };

function refused(value: unknown, code: string, path: string): void {
  assert.throws(
    () => checkSurface(value, CONFIG, 'surfaces.related', 'bad_config'),
    (error: unknown) => {
      assert.ok(error instanceof NearpinError, String(error));
      assert.deepEqual([error.code, error.details[0]?.path], [code, path]);
      return true;
    },
  );
}

describe('a surface', () => {
  it('passes by default, for every index', () => {
    for (const name of SURFACE_NAMES)
      for (const attributes of [{}, CONFIG.attributes])
        checkSurface(DEFAULT_SURFACES[name], { ...CONFIG, attributes }, '', 'bad_config');
  });

  it('is refused at the place of what is wrong', () => {
    const at = (path: string) => `surfaces.related${path}`;
    refused(null, 'bad_config', at(''));
    refused({}, 'bad_config', at('.sources'));
    refused({ sources: {} }, 'bad_config', at('.sources'));
    refused({ sources, diversty: {} }, 'bad_config', at('.diversty'));
    refused({ sources: { 'a b': { source: 'seeds' } } }, 'bad_config', at('.sources.a b'));
    refused({ sources: { seeds: 'seeds' } }, 'bad_config', at('.sources.seeds'));
    refused({ sources: { seeds: { source: 'sow' } } }, 'bad_config', at('.sources.seeds.source'));
    refused({ sources: { seeds: { source: 'toString' } } }, 'bad_config', at('.sources.seeds.source'));
    for (const quota of [0, -1, Number.NaN, LIMITS.surfaceQuotaMax + 1, '1'])
      refused({ sources: { seeds: { source: 'seeds', quota } } }, 'bad_config', at('.sources.seeds.quota'));
    const many = Object.fromEntries(
      Array.from({ length: LIMITS.surfaceSourcesMax + 1 }, (_, i) => [`s${i}`, { source: 'seeds' }]),
    );
    refused({ sources: many }, 'limit_exceeded', at('.sources'));
    refused({ sources, k: 0 }, 'bad_config', at('.k'));
    refused({ sources, k: LIMITS.kMax + 1 }, 'limit_exceeded', at('.k'));
    refused({ sources, ef: 1.5 }, 'bad_config', at('.ef'));
    refused({ sources, filter: { colour: 'red' } }, 'bad_filter', at('.filter.colour'));
    refused({ sources, minScore: '1' }, 'bad_config', at('.minScore'));
    refused({ sources, diversity: { lambda: 2 } }, 'bad_config', at('.diversity.lambda'));
    refused({ sources, diversity: { lamda: 0.5 } }, 'bad_config', at('.diversity.lamda'));
    refused({ sources, groupBy: { field: 'board', size: 1 } }, 'bad_config', at('.groupBy.field'));
    refused({ sources, groupBy: { field: 'category', size: 0 } }, 'bad_config', at('.groupBy.size'));
    refused({ sources, nearDuplicates: { similarity: 1.1 } }, 'bad_config', at('.nearDuplicates.similarity'));
    refused({ sources, nearDuplicates: {} }, 'bad_config', at('.nearDuplicates.similarity'));
  });

  it('refuses boosts that cannot be meant', () => {
    const boost = (entry: unknown, code: string, path: string) =>
      refused({ sources, boosts: [entry] }, code, `surfaces.related.boosts[0]${path}`);
    boost({ filter: { category: 'a' } }, 'bad_config', '.factor');
    boost({ filter: { category: 'a' }, factor: 0 }, 'bad_config', '.factor');
    boost({ filter: { category: 'a' }, factor: 1000 }, 'bad_config', '.factor');
    boost({ filter: { colour: 'a' }, factor: 2 }, 'bad_filter', '.filter.colour');
    boost({ field: 'category', halfLifeDays: 1, weight: 1 }, 'bad_config', '.field');
    boost({ field: 'at', halfLifeDays: 0, weight: 1 }, 'bad_config', '.halfLifeDays');
    boost({ field: 'at', halfLifeDays: 1, weight: 0 }, 'bad_config', '.weight');
    boost({ field: 'at', halfLifeDays: 1, weight: 1, factor: 2 }, 'bad_config', '.factor');
    refused({ sources, boosts: {} }, 'bad_config', 'surfaces.related.boosts');
    const boosts = Array(LIMITS.surfaceBoostsMax + 1).fill({ filter: {}, factor: 2 });
    refused({ sources, boosts }, 'limit_exceeded', 'surfaces.related.boosts');
  });
});

describe('kinds of sources', () => {
  it('stand in docs/surfaces.md, with parameters that they know', () => {
    const text = readFileSync(new URL('../../../../docs/surfaces.md', import.meta.url), 'utf8');
    const rows = [...text.matchAll(/^\| `(\w+)` \|.*\|(.*)\|$/gm)].map(([, kind, params]) => [
      kind!,
      params!,
    ]);
    assert.deepEqual(rows.map(([kind]) => kind).sort(), Object.keys(SOURCES).sort());
    const place = { path: 's', config: CONFIG, code: 'bad_config' as const };
    for (const [kind, params] of rows)
      for (const [, name] of params!.matchAll(/[ ;]`(\w+)`(?=:| \d)/g))
        assert.throws(
          () => SOURCES[kind!]!({ [name!]: -1 }, place),
          ({ message }: Error) => message.startsWith(`s.${name}: must be`),
          `${kind} ${name}`,
        );
  });
});

describe('an override', () => {
  it('changes sources one by one, and everything else as a whole', () => {
    const surface = {
      sources: { a: { source: 'seeds', quota: 2, strategy: 'perSeed' }, b: { source: 'seeds' } },
      boosts: [{ filter: {}, factor: 2 }],
      diversity: { lambda: 0.5 },
    };
    const changed = overrideSurface(surface, {
      sources: { a: { quota: 5 }, b: null, c: { source: 'seeds' } },
      boosts: [],
      diversity: null,
    });
    assert.deepEqual(changed, {
      sources: { a: { source: 'seeds', quota: 5, strategy: 'perSeed' }, c: { source: 'seeds' } },
      boosts: [],
      diversity: null,
    });
    assert.deepEqual(overrideSurface(surface, {}), surface);
  });

  it("of a request is laid over the index's, which is laid over the default", () => {
    const engine = memoryEngine({ dim: 4, attributes: CONFIG.attributes, pins: [] });
    const index = {
      name: 'demo',
      engine,
      model: null,
      mixer: { surfaces: { related: { diversity: {}, nearDuplicates: null, k: 7 } } },
    };
    const ofIndex = surfaceInForce('related', index, {});
    assert.deepEqual([ofIndex.lambda, ofIndex.nearDuplicates, ofIndex.k], [DEFAULT_LAMBDA, undefined, 7]);
    assert.equal(surfaceInForce('related', index, {}), ofIndex);
    const ofRequest = surfaceInForce('related', index, {
      diversity: null,
      nearDuplicates: { similarity: 0.9 },
    });
    assert.deepEqual([ofRequest.lambda, ofRequest.nearDuplicates, ofRequest.k], [undefined, 0.9, 7]);
    const plain = surfaceInForce('related', { name: 'demo', engine, model: null }, {});
    assert.deepEqual([plain.lambda, plain.k], [undefined, undefined]);
  });
});
