/** Who is in which experiment and arm, and whom it changes anything for. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type Assigned,
  type Assignment,
  armBucket,
  assign as drawAll,
  exposed,
  layerBucket,
} from '../../../src/retrieval/experiments/assign.ts';
import type { Experiments } from '../../../src/retrieval/experiments/config.ts';
import { refuses } from '../../lib/refuses.ts';
import { parse, twoLayers } from './configs.ts';

const units = Array.from({ length: 4000 }, (_, i) => `u${i}`);
const nothingDecided = () => false;

/** An assignment with what is told of it when every source has run. */
function assign(
  ...call: Parameters<typeof drawAll>
): (Omit<Assignment, 'drawn' | 'side'> & { assigned: Assigned[] }) | undefined {
  const found = drawAll(...call);
  if (found === undefined) return undefined;
  const { drawn: _, side: __, ...rest } = found;
  const assigned = exposed(found, () => true);
  return { ...rest, assigned };
}
const experiments = parse(twoLayers);

const assigned = (config: Experiments | undefined, unit: string) =>
  assign(config, 'related', { unit }, nothingDecided);
const armOf = (config: Experiments, unit: string, experiment: string): string | undefined =>
  assigned(config, unit)?.assigned.find((each) => each.experiment === experiment)?.arm;

/** The first layer of twoLayers with its experiment changed. */
const withLambda = (change: object, holdout?: object) =>
  parse({
    ...(holdout && { holdout }),
    layers: [
      {
        ...twoLayers.layers[0],
        experiments: [{ ...twoLayers.layers[0].experiments[0], ...change }],
      },
    ],
  });

describe('assignment', () => {
  it('follows the buckets of the layer and of the experiment, as the definition says', () => {
    for (const unit of units) {
      const expected = [];
      if (layerBucket('d1', unit) < 5000)
        expected.push({
          experiment: 'lambda',
          arm: armBucket('d1', 'lambda', unit) < 5000 ? 'control' : 'diverse',
        });
      const armed = armBucket('w1', 'wide', unit);
      expected.push({ experiment: 'wide', arm: armed < 5000 ? 'control' : armed < 8000 ? 'wide' : 'wider' });
      assert.deepEqual(assigned(experiments, unit)!.assigned, expected, unit);
    }
  });

  it('gives the values of all arms together, by paths within the surface', () => {
    const both = units.find(
      (unit) =>
        armOf(experiments, unit, 'lambda') === 'diverse' && armOf(experiments, unit, 'wide') === 'wider',
    )!;
    assert.deepEqual(assigned(experiments, both)!.parameters, { 'diversity.lambda': 0.5, ef: 400 });
  });

  it('shares out as the shares say', () => {
    const counts = new Map<string, number>();
    for (const unit of units) {
      const arm = armOf(experiments, unit, 'wide')!;
      counts.set(arm, (counts.get(arm) ?? 0) + 1);
    }
    for (const [arm, share] of [
      ['control', 0.5],
      ['wide', 0.3],
      ['wider', 0.2],
    ] as const) {
      const deviation = Math.sqrt(units.length * share * (1 - share));
      const off = Math.abs(counts.get(arm)! - share * units.length);
      assert.ok(off < 4 * deviation, `${arm}: ${counts.get(arm)}`);
    }
  });

  it('leaves everyone in their arm when an experiment is widened, and takes only new ones in', () => {
    const wider = withLambda({ to: 9000 });
    let before = 0;
    let after = 0;
    for (const unit of units) {
      const arm = armOf(experiments, unit, 'lambda');
      const armThen = armOf(wider, unit, 'lambda');
      if (arm !== undefined) assert.equal(armThen, arm, unit);
      before += Number(arm !== undefined);
      after += Number(armThen !== undefined);
    }
    assert.ok(before > 0 && after > before);
  });

  it('mixes the arms anew for the next experiment on the same buckets', () => {
    const next = withLambda({ name: 'lambda2' });
    const kept = units.filter(
      (unit) =>
        armOf(experiments, unit, 'lambda') === 'diverse' && armOf(next, unit, 'lambda2') === 'diverse',
    ).length;
    const had = units.filter((unit) => armOf(experiments, unit, 'lambda') === 'diverse').length;
    assert.ok(kept > 0.4 * had && kept < 0.6 * had, `${kept} of ${had}`);
  });

  it('reaches nobody without a unit, without experiments, and on other surfaces', () => {
    assert.equal(assign(experiments, 'related', {}, nothingDecided), undefined);
    assert.equal(assigned(undefined, 'u1'), undefined);
    assert.equal(assign(experiments, 'homefeed', { unit: 'u1' }, nothingDecided), undefined);
  });

  it('refuses a unit that is none, and one over the limit, by bytes', () => {
    for (const unit of ['', 7, {}]) {
      refuses(() => assigned(experiments, unit as string), 'bad_request', 'unit');
    }
    refuses(() => assigned(experiments, 'x'.repeat(257)), 'limit_exceeded', 'unit');
    refuses(() => assigned(experiments, 'ä'.repeat(129)), 'limit_exceeded', 'unit');
    assert.ok(assigned(experiments, 'x'.repeat(256)));
  });
});

describe('exposure is for those whose code path runs', () => {
  it('leaves an experiment out whose parameters the request decides, and only that', () => {
    const unit = units.find((each) => armOf(experiments, each, 'lambda') !== undefined)!;
    const found = assign(experiments, 'related', { unit }, (path) => path === 'diversity.lambda')!;
    assert.deepEqual(
      found.assigned.map(({ experiment }) => experiment),
      ['wide'],
    );
    assert.ok(!('diversity.lambda' in found.parameters));
    const none = assign(experiments, 'related', { unit }, () => true);
    assert.equal(none, undefined);
  });

  it('keeps an experiment in which one of several parameters still counts', () => {
    const two = parse({
      layers: [
        {
          name: 'l',
          salt: 's',
          parameters: ['related.ef', 'related.diversity.lambda'],
          experiments: [
            {
              name: 'e',
              surface: 'related',
              to: 10_000,
              arms: [{ name: 'a', parameters: { 'related.ef': 1, 'related.diversity.lambda': 0.1 } }],
            },
          ],
        },
      ],
    });
    const found = assign(two, 'related', { unit: 'u' }, (path) => path === 'ef')!;
    assert.deepEqual(found.assigned, [{ experiment: 'e', arm: 'a' }]);
  });

  it('leaves out one whose arms differ in a source that did not run, and the holdout if that was all', () => {
    const config = {
      layers: [
        {
          name: 'l',
          salt: 's',
          parameters: ['related.sources', 'related.ef'],
          experiments: [
            {
              name: 'e',
              surface: 'related',
              to: 10_000,
              arms: [{ name: 'a', parameters: { 'related.sources.seeds.quota': 2 } }],
            },
          ],
        },
      ],
    };
    const found = drawAll(parse(config), 'related', { unit: 'u' }, nothingDecided)!;
    assert.deepEqual(
      exposed(found, (source) => source === 'seeds'),
      [{ experiment: 'e', arm: 'a' }],
    );
    assert.deepEqual(
      exposed(found, () => false),
      [],
    );
    const held = drawAll(
      parse({ ...config, holdout: { salt: 'h', share: 0.9999 } }),
      'related',
      { unit: 'u' },
      nothingDecided,
    )!;
    assert.deepEqual(
      exposed(held, () => true),
      [{ experiment: 'holdout', arm: 'held' }],
    );
    assert.deepEqual(
      exposed(held, () => false),
      [],
    );
    // Whether these run depends on the arm
    for (const parameter of ['related.sources.new.quota', 'related.sources.seeds.fallback']) {
      const arms = [{ name: 'a', parameters: { [parameter]: 2 } }];
      const [layer] = config.layers;
      const other = { layers: [{ ...layer, experiments: [{ ...layer!.experiments[0], arms }] }] };
      const always = drawAll(parse(other), 'related', { unit: 'u' }, nothingDecided)!;
      assert.equal(exposed(always, () => false).length, 1, parameter);
    }
  });

  it('exposes to an experiment whose arms change nothing: A against A', () => {
    const same = withLambda({ arms: [{ name: 'a' }, { name: 'b' }], to: 10_000 });
    assert.equal(assign(same, 'related', { unit: 'u1' }, () => true)?.assigned.length, 1);
  });
});

describe('the holdout', () => {
  const held = withLambda({}, { salt: 'h1', share: 0.2 });
  it('keeps its units out of every experiment, and tells both sides of those it concerns', () => {
    let sides = 0;
    for (const unit of units) {
      const found = assigned(held, unit);
      if (layerBucket('d1', unit) >= 5000) {
        assert.equal(found, undefined, unit);
      } else if (layerBucket('h1', unit) < 2000) {
        assert.deepEqual(found, { assigned: [{ experiment: 'holdout', arm: 'held' }], parameters: {} });
        sides |= 1;
      } else {
        assert.equal(found!.assigned.length, 2);
        assert.deepEqual(found!.assigned[1], { experiment: 'holdout', arm: 'open' });
        sides |= 2;
      }
    }
    assert.equal(sides, 3);
  });

  it('does not keep out what is forced', () => {
    const unit = units.find((each) => layerBucket('d1', each) < 5000 && layerBucket('h1', each) < 2000)!;
    const found = assign(held, 'related', { unit, variants: { lambda: 'diverse' } }, nothingDecided)!;
    assert.deepEqual(found.assigned, [{ experiment: 'lambda', arm: 'diverse', forced: true }]);
  });
});

describe('variants', () => {
  const force = (variants: unknown, unit?: string) =>
    assign(
      experiments,
      'related',
      { variants: variants as Record<string, string>, ...(unit !== undefined && { unit }) },
      nothingDecided,
    );

  it('force an arm for any unit and for none, and say so', () => {
    const outside = units.find((unit) => armOf(experiments, unit, 'lambda') === undefined)!;
    for (const unit of [undefined, outside]) {
      const found = force({ lambda: 'diverse' }, unit)!;
      assert.deepEqual(found.assigned[0], { experiment: 'lambda', arm: 'diverse', forced: true });
      assert.equal(found.parameters['diversity.lambda'], 0.5);
      assert.equal(found.assigned.length, unit === undefined ? 1 : 2);
    }
  });

  it('are refused with their path when there is no such experiment or arm', () => {
    refuses(() => force({ colour: 'red' }), 'bad_request', 'variants.colour');
    refuses(() => force({ lambda: 'red' }), 'bad_request', 'variants.lambda');
    refuses(() => force({ lambda: 7 }), 'bad_request', 'variants.lambda');
    refuses(() => force({ lambda: 'interleaved' }), 'bad_request', 'variants.lambda');
    refuses(() => force(['lambda']), 'bad_request', 'variants');
    refuses(
      () => assign(undefined, 'related', { variants: { lambda: 'diverse' } }, nothingDecided),
      'bad_request',
      'variants.lambda',
    );
  });

  it('take the place of the experiment that a layer would draw, and refuse two of one layer', () => {
    const { experiments: list, ...layer } = twoLayers.layers[0];
    const second = { ...list[0], name: 'second', from: 5000, to: 10_000 };
    const two = parse({ layers: [{ ...layer, experiments: [list[0], second] }] });
    for (const unit of units.slice(0, 50)) {
      const found = assign(two, 'related', { unit, variants: { second: 'diverse' } }, nothingDecided)!;
      assert.deepEqual(found.assigned, [{ experiment: 'second', arm: 'diverse', forced: true }]);
    }
    const both = { lambda: 'control', second: 'control' };
    refuses(
      () => assign(two, 'related', { unit: 'u', variants: both }, nothingDecided),
      'bad_request',
      'variants.second',
    );
  });
});

describe('interleaving', () => {
  const both = withLambda({ interleave: true });
  it('hands over both arms, beside what other layers change', () => {
    const unit = units.find((each) => layerBucket('d1', each) < 5000)!;
    assert.deepEqual(assigned(both, unit), {
      assigned: [{ experiment: 'lambda', arm: 'interleaved' }],
      parameters: {},
      interleaving: {
        experiment: 'lambda',
        teams: [
          { name: 'control', parameters: {} },
          { name: 'diverse', parameters: { 'diversity.lambda': 0.5 } },
        ],
      },
    });
  });

  it('can be forced, and so can each of its arms alone', () => {
    const forced = (arm: string) => assign(both, 'related', { variants: { lambda: arm } }, nothingDecided)!;
    assert.ok(forced('interleaved').interleaving);
    assert.equal(forced('diverse').interleaving, undefined);
    assert.deepEqual(forced('diverse').parameters, { 'diversity.lambda': 0.5 });
  });
});
