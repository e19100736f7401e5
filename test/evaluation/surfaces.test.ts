/** The table of surfaces: each is asked as it wants to be, and baselines hide what it has to hide. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { type Answering, hiddenBy, SURFACES } from '../../src/evaluation/surfaces.ts';
import { randomSystem, surfaceSystem } from '../../src/evaluation/systems.ts';
import type { RetrievalAnswer } from '../../src/retrieval/contract.ts';

/** Answers with the operation and k as hits, and keeps what it was asked. */
function recording() {
  const asked: unknown[] = [];
  const answer = (operation: string) => async (request: unknown) => {
    asked.push(request);
    return { hits: [{ id: operation, score: 1 }] } as unknown as RetrievalAnswer;
  };
  const index = {
    query: answer('query'),
    related: answer('related'),
    search: answer('search'),
    homefeed: answer('homefeed'),
    notifications: async (request: unknown) => {
      asked.push(request);
      return { users: [{ user: 'u', hits: [{ id: 'notifications', score: 1 }] }] };
    },
  };
  return { asked, index: index as unknown as Answering };
}

const relevant = new Map([['a', 1]]);

test('every surface is asked by its own operation for k hits, with the fields of a variant in place of the own', async () => {
  for (const [name, surface] of Object.entries(SURFACES)) {
    const { asked, index } = recording();
    const request = { k: 3, ef: 7, users: [{ user: 'u' }] };
    const system = surfaceSystem('wide', surface, index, { ef: 90 });
    assert.deepEqual(await system.list({ at: '', request, relevant }, 20), [name]);
    const [sent] = asked as [{ k?: number; ef: number; users: { max?: number }[] }];
    assert.equal(sent.ef, 90);
    assert.equal(name === 'notifications' ? sent.users[0]!.max : sent.k, 20, name);
  }
});

test('what a request starts from, excludes or has seen is hidden from baselines', () => {
  const hidden = (name: keyof typeof SURFACES, request: Record<string, unknown>) =>
    [...hiddenBy(SURFACES[name], request)].sort();
  assert.deepEqual(hidden('related', { pins: ['a', { id: 'b', weight: 2 }, 7], exclude: ['x'] }), [
    '7',
    'a',
    'b',
    'x',
  ]);
  assert.deepEqual(hidden('homefeed', { history: [{ id: 'a' }], seen: ['b'] }), ['a', 'b']);
  assert.deepEqual(hidden('homefeed', { history: [], seen: { bloom: 'AAAA' } }), []);
  const users = [{ user: 'u', history: [{ id: 'a' }], seen: ['b'] }];
  assert.deepEqual(hidden('notifications', { users, exclude: ['c'] }), ['a', 'b', 'c']);
  assert.deepEqual(hidden('search', { text: 'words' }), []);
});

test('a user of notifications whose part is wrong is a request that failed', async () => {
  const problem = { code: 'bad_request', detail: 'users[0].history: must be a list' };
  const index = { notifications: async () => ({ users: [{ user: 'u', problem }] }) } as unknown as Answering;
  await assert.rejects(SURFACES.notifications.ask(index, {}), { code: 'bad_request', message: /history/ });
});

test('random pins are others for each case, the same for a seed, and none that is hidden', async () => {
  const sample = async (count: number, seed: number) =>
    Array.from({ length: count }, (_, i) => `pin-${(i * 7 + seed) % 50}`);
  const lists = async (seed: number) => {
    const system = randomSystem(SURFACES.related, sample, seed);
    const of = { at: '', request: { pins: ['pin-1', 'pin-8'] }, relevant };
    return [await system.list(of, 5), await system.list(of, 5)];
  };
  const [first, second] = await lists(1);
  assert.equal(first!.length, 5);
  assert.ok(!first!.includes('pin-1') && !first!.includes('pin-8'));
  assert.notDeepEqual(first, second);
  assert.deepEqual(await lists(1), [first, second]);
});
