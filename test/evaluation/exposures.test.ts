/** A log of exposures held against the shares of its experiments. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { ExposedUnits } from '../../src/evaluation/exposures.ts';
import { assign, exposed } from '../../src/retrieval/experiments/assign.ts';
import { type Experiments, parseExperiments } from '../../src/retrieval/experiments/config.ts';

const RULES = { surfaces: ['related'], check: () => {}, hasSource: () => true };

function experimentsOf(shares: readonly number[], more: object = {}): Experiments {
  return parseExperiments(
    {
      layers: [
        {
          name: 'order',
          salt: 'order-1',
          parameters: ['related.diversity'],
          experiments: [
            {
              name: 'diverse',
              surface: 'related',
              to: 10_000,
              arms: shares.map((share, i) => ({
                name: 'abc'[i],
                share,
                parameters: { 'related.diversity': { lambda: i / 4 } },
              })),
            },
          ],
        },
      ],
      ...more,
    },
    'experiments',
    RULES,
  );
}

const exposure = (unit: string, arm: string, more: object = {}) => ({
  kind: 'exposure',
  at: 1,
  requestId: 'r',
  index: 'pins',
  surface: 'related',
  experiment: 'diverse',
  unit,
  arm,
  ...more,
});

test('units count once, forced arms, shadows and other indexes not at all, and a unit that moved for its first arm', () => {
  const units = new ExposedUnits('pins');
  for (const record of [
    exposure('ann', 'a'),
    exposure('ann', 'a'),
    exposure('ann', 'b'),
    exposure('ann', 'b'),
    exposure('bob', 'b'),
    exposure('cy', 'b', { forced: true }),
    exposure('di', 'b', { unit: undefined }),
    exposure('ed', 'b', { index: 'boards' }),
    { kind: 'shadow', name: 's' },
  ]) {
    assert.equal(units.add(record), true, JSON.stringify(record));
  }
  for (const broken of [7, null, {}, { kind: 'exposure' }, { kind: 'exposure', experiment: 'x', arm: 3 }])
    assert.equal(units.add(broken), false, JSON.stringify(broken));
  const [diverse] = units.check(experimentsOf([0.5, 0.5]));
  assert.deepEqual(
    diverse!.arms.map(({ arm, units: count, share }) => [arm, count, share]),
    [
      ['a', 1, 0.5],
      ['b', 1, 0.5],
    ],
  );
  assert.equal(diverse!.moved, 1);
});

test('what the assignment draws is no suspect, until one arm loses units', () => {
  const experiments = experimentsOf([0.5, 0.3, 0.2], { holdout: { salt: 'held-1', share: 0.1 } });
  const fair = new ExposedUnits('pins');
  const lossy = new ExposedUnits('pins');
  for (let i = 0; i < 20_000; i++) {
    const unit = `unit-${i}`;
    const assignment = assign(experiments, 'related', { unit }, () => false)!;
    for (const each of exposed(assignment, () => true)) {
      const record = { ...exposure(unit, each.arm), ...each };
      fair.add(record);
      // One request in ten of arm c fails before it is logged
      if (each.arm !== 'c' || i % 10 !== 0) lossy.add(record);
    }
  }
  const checked = fair.check(experiments);
  assert.deepEqual(
    checked.map(({ experiment }) => experiment),
    ['diverse', 'holdout'],
  );
  for (const { experiment, isSuspect, p, moved } of checked) {
    assert.equal(isSuspect, false, `${experiment}: ${p}`);
    assert.equal(moved, 0);
  }
  assert.equal(checked[1]!.units, 20_000);
  assert.ok(Math.abs(checked[1]!.arms[0]!.units / 2000 - 1) < 0.1, 'a tenth is held');
  assert.equal(lossy.check(experiments)[0]!.isSuspect, true);
  assert.equal(lossy.check(experiments)[1]!.isSuspect, false);
});

test('experiments of the log that are configured no more are named, and interleaved ones have no arms to compare', () => {
  const units = new ExposedUnits('pins');
  units.add(exposure('ann', 'a', { experiment: 'ended' }));
  units.add(exposure('ann', 'a'));
  const experiments = experimentsOf([1]);
  assert.deepEqual(units.unknown(experiments), ['ended']);
  const [experiment] = experiments.layers[0]!.experiments;
  const interleaved = {
    ...experiments,
    layers: [{ ...experiments.layers[0]!, experiments: [{ ...experiment!, isInterleaved: true }] }],
  };
  assert.deepEqual(units.check(interleaved), []);
});
