/** An evaluation from cases to figures: by hand, failures among them. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { EvaluationCase } from '../../src/evaluation/case.ts';
import { type EvaluationOptions, evaluate } from '../../src/evaluation/evaluate.ts';
import type { System } from '../../src/evaluation/systems.ts';
import { keepUnitVectors } from '../../src/evaluation/vectors.ts';
import { NearpinError } from '../../src/lib/errors.ts';

async function* casesOf(...relevant: string[][]): AsyncGenerator<EvaluationCase> {
  for (const [i, ids] of relevant.entries()) {
    yield { at: `cases:${i + 1}`, request: { i }, relevant: new Map(ids.map((id) => [id, 1])) };
  }
}

/** A system with a list for each case, or the code of its failure. */
function listing(name: string, ...lists: (readonly string[] | NearpinError)[]): System {
  return {
    name,
    list: async ({ request }) => {
      const list = lists[request.i as number]!;
      if (list instanceof NearpinError) throw list;
      return list;
    },
  };
}

function optionsWith(more: Partial<EvaluationOptions> = {}): EvaluationOptions {
  return {
    ks: [1, 2],
    seed: 1,
    catalogue: 10,
    unitVector: async (id) => Float32Array.of(id === 'a' ? 1 : 0, id === 'a' ? 0 : 1),
    selfInformation: (id) => (id === 'a' ? 1 : 3),
    signal: new AbortController().signal,
    onProgress: () => {},
    ...more,
  };
}

describe('an evaluation', () => {
  it('measures each list at each k, and the surface against each baseline', async () => {
    const own = listing('own', ['a', 'b', 'c'], ['c', 'b']);
    const other = listing('other', ['c', 'd'], ['b', 'c']);
    const { cases, clusters, systems, comparisons } = await evaluate(
      casesOf(['a'], ['b', 'x']),
      [own, other],
      optionsWith(),
    );
    assert.deepEqual([cases, clusters], [2, 2]);
    const figures = (s: number, k: number) => {
      const { metrics, coverage } = systems[s]!.figures.find((at) => at.k === k)!;
      const values = Object.entries(metrics).map(([name, { value }]) => [name, value]);
      return { ...Object.fromEntries(values), coverage };
    };
    // Case 1 finds a at once. Case 2 finds b of b and x at the second place
    const discount = 1 / Math.log2(3);
    const ndcg = (1 + discount / (1 + discount)) / 2;
    assert.deepEqual(figures(0, 2), {
      recall: 0.75,
      hitRate: 1,
      mrr: 0.75,
      ndcg,
      // Orthogonal in the first list, equal in the second
      diversity: 0.5,
      novelty: (2 + 3) / 2,
      coverage: 0.3,
    });
    assert.deepEqual(figures(0, 1), {
      recall: 0.5,
      hitRate: 0.5,
      mrr: 0.5,
      ndcg: 0.5,
      diversity: null,
      novelty: 2,
      coverage: 0.2,
    });
    assert.equal(systems[1]!.figures[0]!.metrics.recall.value, 0.25);
    const [compared] = comparisons;
    assert.equal(compared!.baseline, 'other');
    assert.equal(compared!.figures[0]!.metrics.recall.difference.value, 0.25);
    assert.equal(compared!.figures[0]!.metrics.recall.ratio.value, 2);
    const { value, low, high } = systems[0]!.figures[0]!.metrics.recall;
    assert.deepEqual([value, low, high], [0.5, 0, 1]);
  });

  it('counts requests that fail as empty lists, and tells how many, why and where', async () => {
    const gone = (id: string) => new NearpinError('unknown_pin', `there is no pin ${id}`);
    const own = listing('own', ['a'], gone('x'), new NearpinError('bad_request', 'k'), gone('y'));
    const { systems } = await evaluate(
      casesOf(['a'], ['a'], ['a'], ['a']),
      [own, listing('never', gone('z'), gone('z'), gone('z'), gone('z'))],
      optionsWith(),
    );
    assert.equal(systems[0]!.failed, 3);
    assert.deepEqual(systems[0]!.failures, [
      { code: 'unknown_pin', count: 2, at: 'cases:2', message: 'there is no pin x' },
      { code: 'bad_request', count: 1, at: 'cases:3', message: 'k' },
    ]);
    assert.equal(systems[0]!.figures[0]!.metrics.recall.value, 0.25);
    assert.equal(systems[0]!.figures[0]!.metrics.novelty.value, 1, 'of the one list that there is');
    assert.equal(systems[1]!.failed, 4);
    assert.equal(systems[1]!.figures[0]!.metrics.recall.value, 0);
  });

  it('ends with the reason when the surface never answers, with a fault of the program, and without cases', async () => {
    const never = listing('own', new NearpinError('no_model', 'no words'));
    await assert.rejects(evaluate(casesOf(['a']), [never], optionsWith()), {
      code: 'no_model',
      message: /cases:1: no words/,
    });
    const faulty: System = { name: 'own', list: () => Promise.reject(new TypeError('no function')) };
    await assert.rejects(evaluate(casesOf(['a']), [faulty], optionsWith()), TypeError);
    await assert.rejects(evaluate(casesOf(), [never], optionsWith()), { code: 'bad_case' });
  });

  it('asks for few cases at a time, and adds them up in their order, whichever is first to be answered', async () => {
    let running = 0;
    let most = 0;
    const count = 60;
    const cases = () => casesOf(...Array.from({ length: count }, (_, i) => [i % 3 === 0 ? 'a' : 'b']));
    const slow = (delay: (i: number) => number): System => ({
      name: 'own',
      list: async ({ request }) => {
        most = Math.max(most, ++running);
        for (let turns = delay(request.i as number); turns > 0; turns--) await turn();
        running--;
        return ['a', 'c'];
      },
    });
    const done: number[] = [];
    const onProgress = (n: number) => done.push(n);
    const one = await evaluate(cases(), [slow((i) => 7 - (i % 7))], optionsWith({ onProgress }));
    const other = await evaluate(cases(), [slow((i) => i % 5)], optionsWith());
    assert.deepEqual(one, other);
    assert.ok(most > 1 && most <= 8, `${most} at once`);
    assert.deepEqual(
      done,
      Array.from({ length: count }, (_, i) => i + 1),
    );
  });

  it('stops with the reason of an interruption', async () => {
    const abort = new AbortController();
    const onProgress = (n: number) => {
      if (n === 2) abort.abort(new NearpinError('interrupted', 'enough'));
    };
    const lists = Array.from({ length: 100 }, () => ['a']);
    await assert.rejects(
      evaluate(
        casesOf(...lists),
        [listing('own', ...lists)],
        optionsWith({ signal: abort.signal, onProgress }),
      ),
      { code: 'interrupted' },
    );
  });
});

describe('kept vectors', () => {
  it('are of length one, are read once while there is room, and make room for others', async () => {
    const read: string[] = [];
    const unit = keepUnitVectors(async (id) => {
      read.push(id);
      return id === 'none' ? undefined : id === 'zero' ? new Float32Array(2) : Float32Array.of(3, 4);
    }, 16);
    assert.deepEqual([...(await unit('a'))!], [...Float32Array.of(0.6, 0.8)]);
    assert.deepEqual([...(await unit('zero'))!], [0, 0]);
    assert.equal(await unit('none'), undefined);
    await unit('a');
    assert.deepEqual(read, ['a', 'zero', 'none']);
    await Promise.all([unit('b'), unit('b')]);
    await unit('zero');
    await unit('a');
    assert.deepEqual(read, ['a', 'zero', 'none', 'b', 'b', 'a']);
  });
});
