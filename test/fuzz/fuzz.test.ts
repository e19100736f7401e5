/** A small campaign; `npm run test:fuzz` is the large one. And what the campaign itself must be able to do. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Prng } from '../../src/lib/prng.ts';
import { decodeJson } from '../../src/server/codec/json.ts';
import { decodeMsgpack } from '../../src/server/codec/msgpack.ts';
import { runCampaign } from './campaign.ts';
import { mutate } from './requests.ts';
import { Entries, toJson, toMsgpack } from './values.ts';

describe('the bytes of a campaign', () => {
  const value = new Entries([
    ['id', 'é𝒑'],
    ['list', [1, 2.5, -3, true, null]],
    ['object', new Entries([['n', 300]])],
    ['vector', Float32Array.of(1, 2)],
  ]);
  const plain = { id: 'é𝒑', list: [1, 2.5, -3, true, null], object: { n: 300 } };

  it('are what they stand for, where nothing is odd', () => {
    assert.deepEqual(decodeJson(Buffer.from(toJson(value))), { ...plain, vector: [1, 2] });
    for (let seed = 0; seed < 20; seed++)
      assert.deepEqual(decodeMsgpack(toMsgpack(value, new Prng(seed))), {
        ...plain,
        vector: Float32Array.of(1, 2),
      });
  });

  it('follow from the seed alone', () => {
    const bytes = Buffer.from(toJson(value));
    const once = Array.from({ length: 50 }, (_, i) => mutate(bytes, new Prng(i)).toString('hex'));
    assert.deepEqual(
      Array.from({ length: 50 }, (_, i) => mutate(bytes, new Prng(i)).toString('hex')),
      once,
    );
    assert.ok(new Set(once).size > 40);
  });
});

describe('random and mutated requests', () => {
  it('get documented answers, and leave nothing behind', async () => {
    const { findings, answers, byOperation, byStatus } = await runCampaign({ requests: 2000, seed: 20 });
    assert.deepEqual(findings, []);
    assert.ok(answers > 1800, `${answers} answers`);
    assert.ok(Object.keys(byOperation).length > 18, JSON.stringify(byOperation));
    assert.ok(byStatus[200]! > 400 && byStatus[400]! > 100, JSON.stringify(byStatus));
  });
});
