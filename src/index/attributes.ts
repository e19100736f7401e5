/**
 * The attribute row: a pin's attributes as a record of fixed stride, one per ordinal, that the WASM core evaluates
 * filters on. All little-endian. Columns stand by type in the order below, within a type by name (UTF-8 bytes),
 * which puts every cell on a multiple of its size:
 *
 *     number, time  f64   NaN is missing (always the bits 7ff80000 00000000), -0 is stored as 0
 *     keyword       u32   code of the dictionary; 0 is missing
 *     keyword[]     u32   reference to a list of codes; 0 is missing. A travelling row has 0 here and its lists
 *                         beside it; the core puts them on its heap and fills in the references
 *     bool          u8    0 missing, 1 false, 2 true
 *
 * The stride is rounded up to a multiple of 8 and is 0 for an index without attributes.
 */
import type { AttributeType, AttributeTypes } from './config.ts';
import type { Attributes } from './pin.ts';

const TYPE_ORDER: readonly AttributeType[] = ['number', 'time', 'keyword', 'keyword[]', 'bool'];

const CELL_BYTES: Readonly<Record<AttributeType, number>> = {
  number: 8,
  time: 8,
  keyword: 4,
  'keyword[]': 4,
  bool: 1,
};

export interface RowColumn {
  readonly name: string;
  readonly type: AttributeType;
  /** Bytes from the start of the row. */
  readonly offset: number;
}

export interface RowLayout {
  /** Bytes per row, a multiple of 8. */
  readonly stride: number;
  readonly columns: readonly RowColumn[];
  /** The `keyword[]` columns stand together: `count` references of 4 bytes from `offset` on. */
  readonly lists: { readonly count: number; readonly offset: number };
}

/** The dictionary's code of an attribute's keyword; 0 when it has none. */
export type CodeOf = (attribute: string, value: string) => number;

/** Where each declared attribute lies in the row. */
export function rowLayout(types: AttributeTypes): RowLayout {
  const named = Object.entries(types).map(([name, type]) => ({ name, type, bytes: Buffer.from(name) }));
  named.sort(
    (a, b) => TYPE_ORDER.indexOf(a.type) - TYPE_ORDER.indexOf(b.type) || Buffer.compare(a.bytes, b.bytes),
  );
  const columns: RowColumn[] = [];
  let end = 0;
  for (const { name, type } of named) {
    columns.push({ name, type, offset: end });
    end += CELL_BYTES[type];
  }
  const lists = columns.filter(({ type }) => type === 'keyword[]');
  return {
    stride: Math.ceil(end / 8) * 8,
    columns,
    lists: { count: lists.length, offset: lists[0]?.offset ?? 0 },
  };
}

export interface EncodedRow {
  /** u8[stride]. */
  readonly row: Uint8Array;
  /** Per `keyword[]` column, in column order: codes, ascending, without repeats; empty when missing. */
  readonly lists: readonly Uint32Array[];
}

/**
 * The row of a pin whose attributes were parsed against the same types. `codeOf` must know every keyword: a keyword
 * of code 0 would count as missing.
 */
export function encodeRow(layout: RowLayout, attributes: Attributes, codeOf: CodeOf): EncodedRow {
  const row = new Uint8Array(layout.stride);
  const view = new DataView(row.buffer);
  const lists: Uint32Array[] = [];
  for (const { name, type, offset } of layout.columns) {
    const value = Object.hasOwn(attributes, name) ? attributes[name] : undefined;
    switch (type) {
      case 'number':
      case 'time':
        // The bits of NaN are written out, because engines are free in which NaN they store.
        if (value === undefined) view.setUint32(offset + 4, 0x7ff80000, true);
        else view.setFloat64(offset, (value as number) === 0 ? 0 : (value as number), true);
        break;
      case 'keyword':
        if (value !== undefined) view.setUint32(offset, codeOf(name, value as string), true);
        break;
      case 'keyword[]': {
        const codes = new Set<number>();
        for (const keyword of (value ?? []) as readonly string[]) codes.add(codeOf(name, keyword));
        lists.push(Uint32Array.from(codes).sort());
        break;
      }
      case 'bool':
        if (value !== undefined) view.setUint8(offset, value === true ? 2 : 1);
        break;
    }
  }
  return { row, lists };
}
