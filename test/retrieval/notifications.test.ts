/** Notifications: the best of what is fresh and unseen, for each user on their own. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { PinInput } from '../../src/index/pin.ts';
import { LIMITS } from '../../src/lib/limits.ts';
import { Prng } from '../../src/lib/prng.ts';
import type { NotificationsRequest } from '../../src/retrieval/contract.ts';
import { runNotifications } from '../../src/retrieval/notifications.ts';
import { memoryEngine } from '../support/memory-engine.ts';

const DIM = 4;
const DAY_MS = 86_400_000;
const NOW_MS = 1000 * DAY_MS;

/** Pins about two axes; even ones are of today, odd ones a year old. */
const PINS: PinInput[] = ['tea', 'cars'].flatMap((subject, axis) => {
  const prng = new Prng(axis + 1);
  return Array.from({ length: 20 }, (_, i) => ({
    id: `${subject}-${i}`,
    vector: Array.from({ length: DIM }, (_, d) => (d === axis ? 1 : 0) + 0.2 * prng.normal()),
    attributes: { at: i % 2 === 0 ? NOW_MS - 1000 : NOW_MS - 365 * DAY_MS },
  }));
});
const engine = memoryEngine({ dim: DIM, attributes: { at: 'time' }, pins: PINS });
const ask = (request: unknown) =>
  runNotifications({ name: 'test', engine, model: null }, request as NotificationsRequest, () => NOW_MS);

type Entry = {
  user: string | null;
  hits?: { id: string; score: number }[];
  problem?: { code: string; errors?: { path: string }[] };
};
const entries = async (request: unknown) => (await ask(request)).users as unknown as Entry[];

describe('notifications', () => {
  it('has the best fresh pins for each user, best first', async () => {
    const [a, b] = await entries({
      users: [
        { user: 'a', history: ['tea-0', 'tea-1'] },
        { user: 'b', history: ['cars-0', 'tea-3'], max: 5 },
      ],
    });
    assert.equal(a!.user, 'a');
    assert.equal(a!.hits!.length, 3);
    assert.equal(b!.hits!.length, 5);
    for (const { hits } of [a!, b!]) {
      const scores = hits!.map(({ score }) => score);
      assert.deepEqual(
        scores,
        [...scores].sort((x, y) => y - x),
      );
      assert.ok(hits!.every(({ id }) => Number(id.split('-')[1]) % 2 === 0));
    }
    assert.ok(a!.hits!.every(({ id }) => id.startsWith('tea') && id !== 'tea-0'));
  });

  it('has none rather than one below the floor, an old one or one that was seen', async () => {
    const history = ['tea-0'];
    const users = [{ user: 'a', history }];
    assert.deepEqual((await entries({ users, minScore: 0.9999 }))[0]!.hits, []);
    const seen = PINS.map(({ id }) => id);
    assert.deepEqual((await entries({ users: [{ user: 'a', history, seen }] }))[0]!.hits, []);
    assert.deepEqual((await entries({ users: [{ user: 'new', history: [] }] }))[0]!.hits, []);
    const all = (await entries({ users, k: 40, minScore: -1, maxAge: null }))[0]!.hits!;
    assert.equal(all.length, 39);
    const floor = (await entries({ users, k: 40, maxAge: null }))[0]!.hits!;
    assert.ok(floor.length < 39 && floor.every(({ score }) => score >= 0.5));
  });

  it("tells each user's problem beside the others' hits", async () => {
    const answered = await entries({
      users: [
        { user: 'a', history: ['tea-0'] },
        { user: 'b', history: [''] },
        { history: [] },
        'c',
        { user: 'd', history: ['tea-0'], max: 0 },
      ],
    });
    assert.deepEqual(
      answered.map(({ user, problem }) => [user, problem?.code, problem?.errors?.[0]?.path]),
      [
        ['a', undefined, undefined],
        ['b', 'bad_pin_id', 'users[1].history[0]'],
        [null, 'bad_request', 'users[2].user'],
        [null, 'bad_request', 'users[3].user'],
        ['d', 'bad_request', 'users[4].max'],
      ],
    );
  });

  it('refuses what is wrong for all', async () => {
    const refused = (request: unknown, code: string, path: string) =>
      assert.rejects(ask(request), (error: { code: string; details: { path: string }[] }) => {
        assert.deepEqual([error.code, error.details[0]!.path], [code, path]);
        return true;
      });
    await refused({}, 'bad_request', 'users');
    await refused({ users: new Array(LIMITS.usersMax + 1).fill({}) }, 'limit_exceeded', 'users');
    await refused({ users: [], k: 0 }, 'bad_request', 'k');
    await refused({ users: [], filter: { hue: 1 } }, 'bad_filter', 'filter.hue');
    assert.deepEqual(await entries({ users: [] }), []);
  });
});
