/** Shadows: compared behind the requests, lost rather than in anybody's way. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LoggedAnswer, ShadowRecord } from '../../../src/retrieval/experiments/exposure.ts';
import {
  type Answered,
  overlapOf,
  parseShadows,
  SHADOWS_WAITING_MAX,
  type Shadow,
  ShadowRunner,
  takes,
} from '../../../src/retrieval/experiments/shadow.ts';
import { refuses } from '../../lib/refuses.ts';

const answerOf = (index: string, ids: string, tookMs: number): LoggedAnswer => ({
  index,
  generation: 'g1',
  model: null,
  tookMs,
  hits: [...ids].map((id) => ({ id })),
});
const answered = (requestId: string, ids = 'abcd'): Answered => ({
  requestId,
  surface: 'related',
  at: 1000,
  answer: answerOf('demo', ids, 2),
});
const turn = () => new Promise((resolve) => setImmediate(resolve));
const parse = (shadows: unknown) => parseShadows(shadows, 'shadows', ['query', 'related']);

describe('overlap@k', () => {
  it('is the share of common ids in the longer list', () => {
    for (const [a, b, expected] of [
      ['abcd', 'abcd', 1],
      ['abcd', 'dcba', 1],
      ['abcd', 'abxy', 0.5],
      ['abcd', 'ab', 0.5],
      ['', '', 1],
      ['', 'a', 0],
      ['ab', 'cd', 0],
    ] as const)
      assert.equal(
        overlapOf(
          [...a].map((id) => ({ id })),
          [...b].map((id) => ({ id })),
        ),
        expected,
        `${a} ${b}`,
      );
  });
});

describe('a shadow', () => {
  it('is asked when the answer is there, and reported beside it', async () => {
    const reports: ShadowRecord[] = [];
    const runner = new ShadowRunner(
      () => false,
      (record) => reports.push(record),
    );
    runner.offer('next', { ...answered('r1'), unit: 'u1' }, async () => answerOf('other', 'abxy', 5));
    await turn();
    assert.deepEqual(reports, [
      {
        kind: 'shadow',
        name: 'next',
        requestId: 'r1',
        surface: 'related',
        unit: 'u1',
        at: 1000,
        ...answerOf('demo', 'abcd', 2),
        overlap: 0.5,
        shadow: answerOf('other', 'abxy', 5),
      },
    ]);
    const expected = {
      index: 'demo',
      name: 'next',
      compared: 1,
      failed: 0,
      dropped: 0,
      overlap: 0.5,
      tookMs: 2,
      shadowTookMs: 5,
    };
    assert.deepEqual(runner.counts(), [expected]);
  });

  it('that fails is counted and nothing else, whether it throws at once or later', async () => {
    const runner = new ShadowRunner(
      () => false,
      () => assert.fail('nothing to report'),
    );
    runner.offer('next', answered('r1'), async () => Promise.reject(new Error('later')));
    runner.offer('next', answered('r2'), () => {
      throw new Error('at once');
    });
    await turn();
    assert.deepEqual([runner.counts()[0]!.failed, runner.counts()[0]!.compared], [2, 0]);
  });

  it('that is slow holds up shadows only: one runs at once, few wait, the rest are dropped and counted', async () => {
    const finish: (() => void)[] = [];
    let running = 0;
    let most = 0;
    const ask = () => {
      most = Math.max(most, ++running);
      return new Promise<LoggedAnswer>((resolve) => {
        finish.push(() => {
          running--;
          resolve(answerOf('demo', 'abcd', 9));
        });
      });
    };
    const runner = new ShadowRunner(
      () => false,
      () => {},
    );
    for (let i = 0; i < SHADOWS_WAITING_MAX + 6; i++) runner.offer('next', answered(`r${i}`), ask);
    await turn();
    assert.equal(finish.length, 1);
    assert.equal(runner.counts()[0]!.dropped, 5);
    for (let i = 0; i <= SHADOWS_WAITING_MAX; i++) {
      finish[i]!();
      await turn();
    }
    assert.equal(most, 1);
    assert.equal(runner.counts()[0]!.compared, SHADOWS_WAITING_MAX + 1);
  });

  it('waits while real requests need the engine', async () => {
    let busy = true;
    let asked = 0;
    const runner = new ShadowRunner(
      () => busy,
      () => {},
    );
    runner.offer('next', answered('r1'), async () => {
      asked++;
      return answerOf('demo', '', 1);
    });
    runner.wake();
    await turn();
    assert.equal(asked, 0);
    busy = false;
    runner.wake();
    await turn();
    assert.equal(asked, 1);
  });

  it('that waits is dropped in the end, and one that runs is waited for', async () => {
    const runner = new ShadowRunner(
      () => false,
      () => {},
    );
    let finish = () => {};
    const slow = new Promise<LoggedAnswer>((resolve) => {
      finish = () => resolve(answerOf('demo', 'a', 1));
    });
    runner.offer('next', answered('r1'), () => slow);
    runner.offer('next', answered('r2'), () => assert.fail('it was dropped'));
    const closed = runner.close();
    finish();
    await closed;
    assert.deepEqual([runner.counts()[0]!.compared, runner.counts()[0]!.dropped], [1, 1]);
  });
});

describe('a config of shadows', () => {
  const shadow = { name: 'next', share: 0.1, generation: '000002' };
  it('takes its share of the requests of its surfaces, by their ids', () => {
    const [one] = parse([{ ...shadow, surfaces: ['related'] }]) as [Shadow];
    const taken = Array.from({ length: 5000 }, (_, i) => takes(one, 'related', `r${i}`)).filter(
      Boolean,
    ).length;
    assert.ok(Math.abs(taken - 500) < 4 * Math.sqrt(450), `${taken}`);
    assert.ok(!takes({ ...one, end: 10_000 }, 'query', 'r1'));
    assert.ok(takes(parse([{ ...shadow, share: 1 }])[0]!, 'query', 'r1'));
  });

  for (const [what, change, path] of [
    ['no share', { share: undefined }, 'shadows[0].share'],
    ['a share over 1', { share: 1.1 }, 'shadows[0].share'],
    ['nowhere to go', { generation: undefined }, 'shadows[0]'],
    ['two places to go', { index: 'demo' }, 'shadows[0]'],
    ['a generation that is no name', { generation: 2 }, 'shadows[0].generation'],
    ['an unknown surface', { surfaces: ['related', 'profile'] }, 'shadows[0].surfaces[1]'],
    ['a bad name', { name: 'a b' }, 'shadows[0].name'],
    ['an unknown field', { percent: 5 }, 'shadows[0].percent'],
  ] as const)
    it(`with ${what} is refused at ${path}`, () => {
      refuses(() => parse([{ ...shadow, ...change }]), 'bad_config', path);
    });

  it('refuses two of one name', () => {
    refuses(() => parse([shadow, shadow]), 'bad_config', 'shadows[1].name');
  });
});
