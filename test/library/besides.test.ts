/** Generations beside the one that is served: which are loaded, which follow, and which are let go of. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LoadedGeneration } from '../../src/engines/loaded-generation.ts';
import { Besides, type Origin } from '../../src/library/besides.ts';

/** An origin that has every generation but `bad`, and writes down what is done. */
function recording() {
  const done: string[] = [];
  const stuck = new Set<string>();
  const origin: Origin<unknown> = {
    beside: async (generation) => {
      if (generation === 'bad') throw new Error('it is bad');
      done.push(`load ${generation}`);
      const close = async () => {
        done.push(`close ${generation}`);
      };
      return { dir: generation, close } as unknown as LoadedGeneration<unknown>;
    },
    follow: async ({ dir }) => {
      done.push(`follow ${dir}`);
      if (stuck.has(dir)) throw new Error('the log is trimmed');
    },
  };
  const problems: string[] = [];
  const onProblem = (generation: string, error: unknown) =>
    problems.push(`${generation}: ${(error as Error).message}`);
  return { done, stuck, problems, onProblem, besides: new Besides(origin) };
}

describe('generations beside', () => {
  it('are those that are wanted; one that cannot be loaded is told of', async () => {
    const { done, problems, onProblem, besides } = recording();
    await Promise.all([besides.keep(['a', 'bad', 'b'], onProblem), besides.keep(['b', 'c'], onProblem)]);
    assert.deepEqual(done, ['load a', 'load b', 'close a', 'load c']);
    assert.deepEqual(problems, ['bad: it is bad']);
    assert.deepEqual(
      ['a', 'b', 'c', 'bad'].map((name) => besides.get(name)?.dir),
      [undefined, 'b', 'c', undefined],
    );
    await besides.close();
    assert.deepEqual(done.slice(4), ['close b', 'close c']);
    assert.equal(besides.get('b'), undefined);
  });

  it('follow the updates, once for all who ask meanwhile; one that cannot is let go of and told of', async () => {
    const { done, stuck, problems, onProblem, besides } = recording();
    await besides.keep(['a', 'b'], onProblem);
    await Promise.all([besides.follow(onProblem), besides.follow(onProblem)]);
    assert.deepEqual(done.splice(0), ['load a', 'load b', 'follow a', 'follow b']);
    stuck.add('a');
    await besides.follow(onProblem);
    assert.deepEqual(done.splice(0), ['follow a', 'close a', 'follow b']);
    assert.deepEqual(problems, ['a: the log is trimmed']);
    await besides.follow(onProblem);
    assert.deepEqual(done, ['follow b']);
    await besides.close();
  });
});
