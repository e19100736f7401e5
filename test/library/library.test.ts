/** The embedded library: what the README shows, on a real index. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { buildIndex } from '../../src/build/build-index.ts';
import { CATALOGUE_ATTRIBUTES, drawCatalogue } from '../../src/build/catalogue.ts';
import { wasm } from '../../src/core/webassembly.ts';
import { openEmbedder } from '../../src/embed/models.ts';
import { type EmbeddedIndex, openIndex } from '../../src/library/library.ts';
import { readCoreBinary } from '../../src/storage/core-binary.ts';

describe('the embedded library', () => {
  let folder: string;
  let index: EmbeddedIndex;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'nearpin-library-'));
    const file = join(folder, 'pins.jsonl');
    writeFileSync(file, Array.from(drawCatalogue(500, 3), (pin) => `${JSON.stringify(pin)}\n`).join(''));
    const embedder = await openEmbedder({ name: 'hashed-ngrams-64' });
    await buildIndex({
      files: [file],
      stdin: process.stdin,
      indexDir: join(folder, 'things'),
      config: { metric: 'cosine', attributes: CATALOGUE_ATTRIBUTES },
      shards: 1,
      model: {
        description: { ...embedder.description },
        embed: (texts) => embedder.embed(texts, 'document'),
      },
      defaultModel: () => Promise.reject(new Error('not asked for')),
      skipBad: false,
      onBad: () => {},
      onProgress: () => {},
      module: new wasm.Module(readCoreBinary()),
      threads: 1,
    });
    index = await openIndex(join(folder, 'things'), { workers: 1 });
  });
  after(async () => {
    await index.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('answers query, related, search, batch, recall and pin as HTTP does', async () => {
    const { name, count, model } = index.describe();
    assert.deepEqual([name, count, model], ['things', 500, 'hashed-ngrams-64@1']);
    const pin = await index.pin('pin-000007', { vector: true });
    assert.equal(pin.vector?.length, 64);
    const { hits } = await index.query({ vector: pin.vector!, k: 3, include: ['payload'] });
    assert.equal(hits.length, 3);
    assert.ok(Math.abs(hits[0]!.score - 1) < 1e-6);
    const several = await index.query({ vectors: [pin.vector!, pin.vector!], k: 3 });
    assert.deepEqual(
      several.results.map((answer) => answer.hits.map((hit) => hit.id)),
      [hits.map((hit) => hit.id), hits.map((hit) => hit.id)],
    );
    const related = await index.related({ pins: ['pin-000007'], k: 5 });
    assert.ok(related.hits.every((hit) => hit.id !== 'pin-000007'));
    const feed = await index.homefeed({ history: ['pin-000007'], k: 5 });
    assert.deepEqual([feed.hits.length, feed.skipped], [5, 0]);
    const told = await index.notifications({ users: [{ user: 'a', history: ['pin-000007'] }], maxAge: null });
    assert.ok('hits' in told.users[0]!);
    const searched = await index.search({ text: 'lemon cake', k: 5, filter: { category: 'cakes' } });
    assert.ok(searched.hits.length === 5);
    const batch = await index.batch({
      requests: [
        { op: 'related', pins: ['pin-000007'], k: 5 },
        { op: 'related', pins: ['nobody'] },
      ],
    });
    assert.deepEqual((batch.answers[0] as typeof related).hits, related.hits);
    assert.equal((batch.answers[1] as { code: string }).code, 'unknown_pin');
    const { recall } = await index.recall({ samples: 20 });
    assert.ok(recall >= 0.98, `recall ${recall}`);
  });

  it('refuses what is wrong and answers afterwards', async () => {
    await assert.rejects(index.query({ vector: [1, 2, 3] }), { code: 'bad_dim' });
    await assert.rejects(index.search({ text: 'x', filter: { nothing: 1 } }), { code: 'bad_filter' });
    await assert.rejects(index.pin('nobody'), { code: 'unknown_pin' });
    await assert.rejects(openIndex(join(folder, 'nowhere')), { code: 'unknown_index' });
    assert.equal((await index.search({ text: 'sofa', k: 1 })).hits.length, 1);
  });

  it('writes, changes and deletes pins, and goes from generation to generation', async () => {
    const { seq } = await index.upsert({
      pins: [{ id: 'new', text: 'a zither of walnut', attributes: { category: 'music' }, ifAbsent: true }],
    });
    const ask = () => index.search({ text: 'a zither of walnut', k: 1, include: ['attributes'] });
    assert.equal((await ask()).hits[0]?.id, 'new');
    await index.upsert({ pins: [{ id: 'new', attributes: { category: 'garden' }, ifSeq: seq }] });
    assert.equal((await ask()).hits[0]?.attributes?.category, 'garden');
    await assert.rejects(index.upsert({ pins: [{ id: 'new', payload: 1, ifSeq: seq }] }), {
      code: 'write_conflict',
    });
    assert.equal((await index.checkpoint()).generation, '000002');
    assert.deepEqual(await index.delete({ ids: ['new', 'nobody'] }), { seq: seq + 2, deleted: 1 });
    assert.notEqual((await ask()).hits[0]?.id, 'new');
    await index.publish('000001');
    assert.notEqual((await ask()).hits[0]?.id, 'new');
    const { generation, live } = index.describe();
    assert.deepEqual([generation, live?.seqWritten, live?.seqSearchable], ['000001', seq + 2, seq + 2]);
    assert.deepEqual(
      (await index.generations()).map((each) => [each.generation, each.isCurrent]),
      [
        ['000001', true],
        ['000002', false],
      ],
    );
  });
});
