/** A mixer file as it is written by hand, by scripts and by accident: what is in force afterwards, and what is said. */
import assert from 'node:assert/strict';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { MixerFile, type MixerState, readMixerFile } from '../../src/cli/mixer-file.ts';
import { type IndexConfig, resolveConfig } from '../../src/index/config.ts';
import { rejects } from '../lib/refuses.ts';
import { temporaryDir } from '../storage/temporary.ts';

const config = resolveConfig({ dim: 4, metric: 'cosine', attributes: { board: 'keyword' } });
const withK = (k: unknown) => JSON.stringify({ surfaces: { related: { k } } });
const grouped = JSON.stringify({ surfaces: { related: { groupBy: { field: 'board', size: 1 } } } });

/** A directory whose file is looked at; `states` are those that were taken. */
async function open(t: TestContext) {
  const dir = await temporaryDir(t);
  const path = join(dir, 'mixer.json');
  const states: MixerState[] = [];
  const file = new MixerFile(dir, (state) => states.push(state));
  const look = (of: IndexConfig = config) => file.look(of);
  /** Looks until a change would have been taken. */
  const settle = async () => {
    await look();
    await look();
  };
  const last = () => {
    const { mixer, problem } = states.at(-1)!;
    return { k: mixer?.surfaces.related?.k, problem: problem?.code };
  };
  return { dir, path, states, look, settle, last };
}

describe('the mixer file', () => {
  it('is taken at once when the index is opened, and nothing is in force without one', async (t) => {
    const { path, states, look, last } = await open(t);
    await look();
    assert.deepEqual(states, [{ mixer: undefined, problem: undefined }]);
    const other = await open(t);
    await writeFile(other.path, withK(7));
    await other.look();
    assert.deepEqual(other.last(), { k: 7, problem: undefined });
    assert.equal(states.length, 1);
    await writeFile(path, withK(7));
    await look();
    assert.equal(states.length, 1, 'a change waits for a second look');
    await look();
    assert.deepEqual(last(), { k: 7, problem: undefined });
  });

  it('is read again only when it has changed', async (t) => {
    const { path, states, settle } = await open(t);
    await writeFile(path, withK(7));
    await settle();
    await settle();
    assert.equal(states.length, 1);
  });

  it('that is half written is not taken before it is whole', async (t) => {
    const { path, states, look, settle, last } = await open(t);
    await writeFile(path, withK(7));
    await settle();
    const next = withK(8);
    await writeFile(path, next.slice(0, 10));
    await look();
    await writeFile(path, next.slice(0, 20));
    await look();
    await writeFile(path, next);
    await settle();
    assert.deepEqual(last(), { k: 8, problem: undefined });
    assert.equal(states.length, 2, 'nobody heard of the halves');
  });

  it('that stays half written leaves in force what was, loudly, until it is mended', async (t) => {
    const { path, settle, last, states } = await open(t);
    await writeFile(path, withK(7));
    await settle();
    await writeFile(path, withK(8).slice(0, 10));
    await settle();
    assert.deepEqual(last(), { k: 7, problem: 'bad_config' });
    assert.match(states.at(-1)!.problem!.message, /is not JSON/);
    await writeFile(path, withK(9));
    await settle();
    assert.deepEqual(last(), { k: 9, problem: undefined });
  });

  it('with a bad value leaves in force what was, and names the value', async (t) => {
    const { path, settle, last, states } = await open(t);
    await writeFile(path, withK('many'));
    await settle();
    assert.deepEqual(last(), { k: undefined, problem: 'bad_config' });
    await writeFile(path, withK(7));
    await settle();
    await writeFile(path, withK(-1));
    await settle();
    assert.deepEqual(last(), { k: 7, problem: 'bad_config' });
    assert.equal(states.at(-1)!.problem!.details[0]!.path, 'surfaces.related.k');
  });

  it('may be replaced by a rename', async (t) => {
    const { dir, path, settle, last } = await open(t);
    await writeFile(path, withK(7));
    await settle();
    for (const k of [8, 9]) {
      // As long as the one before
      await writeFile(join(dir, 'next'), withK(k));
      await rename(join(dir, 'next'), path);
      await settle();
      assert.deepEqual(last(), { k, problem: undefined });
    }
  });

  it('that is gone takes everything back, unless it is gone for a moment only', async (t) => {
    const { path, look, settle, last, states } = await open(t);
    await writeFile(path, withK(7));
    await settle();
    await rm(path);
    await look();
    await writeFile(path, withK(8));
    await settle();
    assert.deepEqual(last(), { k: 8, problem: undefined });
    assert.equal(states.length, 2);
    await rm(path);
    await settle();
    assert.deepEqual(states.at(-1), { mixer: undefined, problem: undefined });
  });

  it('that cannot be read leaves in force what was', async (t) => {
    const { path, settle, last } = await open(t);
    await writeFile(path, withK(7));
    await settle();
    await rm(path);
    await mkdir(path);
    await settle();
    assert.deepEqual(last(), { k: 7, problem: 'io_error' });
  });

  it('is checked anew against a new config of the index; what does not fit it is out of force', async (t) => {
    const { path, look, last, states } = await open(t);
    await writeFile(path, grouped);
    await look();
    assert.ok(states.at(-1)!.mixer?.surfaces.related?.groupBy);
    await look(resolveConfig({ dim: 4, metric: 'cosine' }));
    assert.deepEqual(last(), { k: undefined, problem: 'bad_config' });
    assert.equal(states.at(-1)!.mixer, undefined);
  });

  it('is read once by commands, unchecked', async (t) => {
    const { dir, path } = await open(t);
    assert.equal(await readMixerFile(dir), undefined);
    await writeFile(path, withK(7));
    assert.deepEqual(await readMixerFile(dir), JSON.parse(withK(7)));
    await writeFile(path, '{');
    await rejects(readMixerFile(dir), 'bad_config');
  });
});
