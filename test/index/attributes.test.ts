import assert from 'node:assert/strict';
import test, { describe } from 'node:test';
import fc from 'fast-check';
import { encodeRow, rowLayout } from '../../src/index/attributes.ts';
import type { AttributeType } from '../../src/index/config.ts';
import { Dictionary } from '../../src/index/dictionary.ts';

describe('the attribute row', () => {
  test('has its columns by type, then by name in byte order', () => {
    const layout = rowLayout({
      z: 'bool',
      b: 'keyword',
      t: 'keyword[]',
      y: 'number',
      a: 'time',
      // In UTF-16 the second sorts first, in UTF-8 the first does.
      '\uffee': 'number',
      '\u{1f600}': 'number',
      s: 'keyword[]',
      q: 'bool',
    });
    assert.deepEqual(
      layout.columns.map(({ name, offset }) => [name, offset]),
      [
        ['y', 0],
        ['\uffee', 8],
        ['\u{1f600}', 16],
        ['a', 24],
        ['b', 32],
        ['s', 36],
        ['t', 40],
        ['q', 44],
        ['z', 45],
      ],
    );
    assert.deepEqual(layout.lists, { count: 2, offset: 36 });
    assert.equal(layout.stride, 48);
  });

  test('takes no space without attributes', () => {
    assert.deepEqual(rowLayout({}), { stride: 0, columns: [], lists: { count: 0, offset: 0 } });
    assert.deepEqual(
      encodeRow(rowLayout({}), {}, () => 0),
      { row: new Uint8Array(0), lists: [] },
    );
  });

  test('puts every cell on a multiple of its size, in any mix of types', () => {
    const type = fc.constantFrom<AttributeType>('keyword', 'keyword[]', 'number', 'bool', 'time');
    fc.assert(
      fc.property(fc.array(type, { maxLength: 64 }), (kinds) => {
        const layout = rowLayout(Object.fromEntries(kinds.map((kind, i) => [`a${i}`, kind])));
        let end = 0;
        for (const { type, offset } of layout.columns) {
          const bytes = type === 'bool' ? 1 : type.startsWith('keyword') ? 4 : 8;
          assert.equal(offset % bytes, 0);
          assert.equal(offset, end);
          end += bytes;
        }
        assert.equal(layout.stride % 8, 0);
        assert.ok(layout.stride >= end && layout.stride < end + 8);
        assert.equal(layout.columns.length, kinds.length);
      }),
      { seed: 3 },
    );
  });

  const types = { n: 'number', t: 'time', k: 'keyword', l: 'keyword[]', o: 'keyword[]', b: 'bool' } as const;

  test('is laid out byte by byte as documented', () => {
    const dictionary = new Dictionary();
    for (const value of ['x', 'y', 'z']) dictionary.add('l', value);
    dictionary.add('k', 'other');
    dictionary.add('k', 'lamp');
    const attributes = { n: 1.5, t: -1, k: 'lamp', l: ['z', 'x'], b: true };
    const { row, lists } = encodeRow(rowLayout(types), attributes, (a, v) => dictionary.codeOf(a, v));
    assert.equal(
      Buffer.from(row).toString('hex'),
      '000000000000f83f' + '000000000000f0bf' + '02000000' + '00000000' + '00000000' + '02000000',
    );
    assert.deepEqual(lists, [Uint32Array.of(1, 3), Uint32Array.of()]);
  });

  test('says missing for every type', () => {
    const { row, lists } = encodeRow(rowLayout(types), {}, () => assert.fail('no keyword to look up'));
    const nan = '000000000000f87f';
    assert.equal(Buffer.from(row).toString('hex'), nan + nan + '00'.repeat(16));
    assert.deepEqual(lists, [new Uint32Array(0), new Uint32Array(0)]);
  });

  test('stores -0 as 0 and false as 1', () => {
    const { row } = encodeRow(rowLayout({ n: 'number', b: 'bool' }), { n: -0, b: false }, () => 0);
    assert.equal(Buffer.from(row).toString('hex'), '0000000000000000' + '0100000000000000');
  });

  test('sorts the codes of a list by number and drops repeats', () => {
    const codes: Record<string, number> = { a: 10, b: 9, c: 2_000_000_000, d: 3_000_000_000 };
    const row = encodeRow(
      rowLayout({ l: 'keyword[]' }),
      { l: ['d', 'a', 'c', 'b', 'a'] },
      (_, v) => codes[v]!,
    );
    assert.deepEqual(row.lists, [Uint32Array.of(9, 10, 2_000_000_000, 3_000_000_000)]);
  });

  test('does not mistake what every object inherits for an attribute', () => {
    const { row } = encodeRow(rowLayout({ toString: 'bool' as const }), {}, () => 0);
    assert.deepEqual(row, new Uint8Array(8));
  });
});
