import assert from 'node:assert/strict';
import test, { describe } from 'node:test';
import { Dictionary } from '../../src/index/dictionary.ts';

describe('the dictionary', () => {
  test('counts the values of each attribute from 1, in the order of their first appearance', () => {
    const dictionary = new Dictionary();
    assert.deepEqual(
      ['b', 'a', 'b', '', 'a'].map((value) => dictionary.add('kind', value)),
      [1, 2, 1, 3, 2],
    );
    assert.equal(dictionary.add('tags', 'a'), 1);
    assert.equal(dictionary.codeOf('kind', 'a'), 2);
  });

  test('does not know what was never added, nor what every object inherits', () => {
    const dictionary = new Dictionary();
    dictionary.add('kind', 'a');
    for (const value of ['b', '__proto__', 'toString']) assert.equal(dictionary.codeOf('kind', value), 0);
    assert.equal(dictionary.codeOf('constructor', 'a'), 0);
  });

  test('is restored by adding its entries in order', () => {
    const dictionary = new Dictionary();
    for (const [attribute, value] of ['kind b', 'tags x', 'kind a', 'tags y'].map((s) => s.split(' '))) {
      dictionary.add(attribute!, value!);
    }
    const entries = [...dictionary.entries()];
    const restored = new Dictionary();
    for (const [attribute, value, code] of entries) assert.equal(restored.add(attribute, value), code);
    assert.equal(entries.length, 4);
    assert.deepEqual([...restored.entries()], entries);
  });
});
