/**
 * A filter compiled for the core: a postfix program of little-endian u32 words, run once per row on a stack of
 * booleans. f64 operands take two words, the low one first. Offsets are bytes from the start of the row.
 *
 *      0 END                                     the one value on the stack is the answer
 *      1 AND n          2 OR n                   pops n operands (n may be 0), pushes the result
 *      3 NOT            4 TRUE    5 FALSE
 *      6 EXISTS kind offset                      kind: 0 number and time, 1 keyword, 2 keyword[], 3 bool
 *      7 NUM_RANGE offset flags low high         flags: 1 low is inclusive, 2 high is; NaN is never in range
 *      8 NUM_IN offset n f64[n]                  ascending
 *      9 KW_IN offset n code[n]                  ascending
 *     10 KWS_ANY offset n code[n]                ascending; true when the row's list holds any of them
 *     11 BOOL_EQ offset value                    value: 1 false, 2 true
 *
 * The stack never holds more than STACK_MAX values.
 */
import { errorAt } from '../lib/errors.ts';
import type { CodeOf, RowColumn, RowLayout } from './attributes.ts';
import type { AttributeType } from './config.ts';
import type { FilterNode, RangeNode } from './filter.ts';

/** The instructions; native/layout.h and src/core/layout.ts state the same numbers. */
export const OP = {
  end: 0,
  and: 1,
  or: 2,
  not: 3,
  true: 4,
  false: 5,
  exists: 6,
  numRange: 7,
  numIn: 8,
  kwIn: 9,
  kwsAny: 10,
  boolEq: 11,
} as const;

/** Depth of the evaluator's stack. */
export const STACK_MAX = 64;

const KIND: Readonly<Record<AttributeType, number>> = {
  number: 0,
  time: 0,
  keyword: 1,
  'keyword[]': 2,
  bool: 3,
};

/**
 * Compiles a filter that was parsed against the types of the layout. A keyword without a code is held by no pin, so
 * it is left out. Throws limit_exceeded when the program would need a deeper stack than STACK_MAX, which no filter
 * within LIMITS does.
 */
export function compileFilter(node: FilterNode, layout: RowLayout, codeOf: CodeOf): Uint32Array {
  const compiler = new Compiler(layout, codeOf);
  compiler.node(node, 1);
  return compiler.end();
}

class Compiler {
  readonly #columns: ReadonlyMap<string, RowColumn>;
  readonly #codeOf: CodeOf;
  readonly #words: number[] = [];

  constructor(layout: RowLayout, codeOf: CodeOf) {
    this.#columns = new Map(layout.columns.map((column) => [column.name, column]));
    this.#codeOf = codeOf;
  }

  end(): Uint32Array {
    return Uint32Array.from([...this.#words, OP.end]);
  }

  /** Emits a node; `depth` is the height of the stack once its value is pushed. */
  node(node: FilterNode, depth: number): void {
    if (depth > STACK_MAX) {
      throw errorAt('limit_exceeded', 'filter', `needs a stack of over ${STACK_MAX} values`);
    }
    switch (node.op) {
      case 'and':
        this.#fold(node.nodes, OP.and, OP.true, depth);
        break;
      case 'or':
        this.#fold(node.nodes, OP.or, OP.false, depth);
        break;
      case 'not':
        this.node(node.node, depth);
        this.#words.push(OP.not);
        break;
      case 'exists': {
        const column = this.#column(node.attribute);
        this.#words.push(OP.exists, KIND[column.type], column.offset);
        break;
      }
      case 'range':
        this.#range(node);
        break;
      case 'in':
        this.#in(this.#column(node.attribute), node.values);
        break;
    }
  }

  /** Two at a time, so that the stack grows with the nesting of a filter and not with its width. */
  #fold(nodes: readonly FilterNode[], op: number, ofNothing: number, depth: number): void {
    if (nodes.length === 0) this.#words.push(ofNothing);
    for (const [i, node] of nodes.entries()) {
      this.node(node, i === 0 ? depth : depth + 1);
      if (i > 0) this.#words.push(op, 2);
    }
  }

  #range(node: RangeNode): void {
    const flags = (node.lowInclusive ? 1 : 0) | (node.highInclusive ? 2 : 0);
    const { offset } = this.#column(node.attribute);
    this.#words.push(OP.numRange, offset, flags, ...f64Words([node.low, node.high]));
  }

  #in({ name, type, offset }: RowColumn, values: readonly unknown[]): void {
    if (type === 'bool') {
      const [value, ...others] = new Set(values as readonly boolean[]);
      if (value === undefined) this.#words.push(OP.false);
      else if (others.length > 0) this.#words.push(OP.exists, KIND.bool, offset);
      else this.#words.push(OP.boolEq, offset, value ? 2 : 1);
      return;
    }
    const isNumeric = type === 'number' || type === 'time';
    const operands = isNumeric
      ? (values as readonly number[])
      : (values as readonly string[]).map((value) => this.#codeOf(name, value)).filter((code) => code !== 0);
    const sorted = [...new Set(operands)].sort((a, b) => a - b);
    if (sorted.length === 0) {
      this.#words.push(OP.false);
      return;
    }
    const op = isNumeric ? OP.numIn : type === 'keyword' ? OP.kwIn : OP.kwsAny;
    this.#words.push(op, offset, sorted.length);
    for (const word of isNumeric ? f64Words(sorted) : sorted) this.#words.push(word);
  }

  #column(attribute: string): RowColumn {
    const column = this.#columns.get(attribute);
    if (column === undefined) throw errorAt('bad_filter', 'filter', `${attribute} is not in the layout`);
    return column;
  }
}

/** Each f64 as two words, low first. */
function f64Words(values: readonly number[]): Uint32Array {
  const view = new DataView(new ArrayBuffer(values.length * 8));
  for (const [i, value] of values.entries()) view.setFloat64(i * 8, value, true);
  return Uint32Array.from({ length: values.length * 2 }, (_, i) => view.getUint32(i * 4, true));
}

/**
 * Whether the program holds for one row: the naive twin of the core's evaluator. `row` views the row alone;
 * `listAt(offset)` gives the codes of the `keyword[]` cell at that offset.
 */
export function runProgram(
  program: Uint32Array,
  row: DataView,
  listAt: (offset: number) => Uint32Array,
): boolean {
  const stack: boolean[] = [];
  let at = 0;
  const word = (): number => program[at++]!;
  const words = (count: number): Uint32Array => {
    at += count;
    return program.subarray(at - count, at);
  };
  const f64s = (count: number): Float64Array => {
    const view = new DataView(new ArrayBuffer(count * 8));
    for (const [i, half] of words(count * 2).entries()) view.setUint32(i * 4, half, true);
    return Float64Array.from({ length: count }, (_, i) => view.getFloat64(i * 8, true));
  };
  const operands = (): boolean[] => {
    const count = word();
    return stack.splice(stack.length - count, count);
  };
  for (;;) {
    const op = word();
    switch (op) {
      case OP.end:
        return stack.pop()!;
      case OP.and:
        stack.push(operands().every(Boolean));
        break;
      case OP.or:
        stack.push(operands().some(Boolean));
        break;
      case OP.not:
        stack.push(!stack.pop());
        break;
      case OP.true:
        stack.push(true);
        break;
      case OP.false:
        stack.push(false);
        break;
      case OP.exists: {
        const kind = word();
        const offset = word();
        if (kind === KIND.number) stack.push(!Number.isNaN(row.getFloat64(offset, true)));
        else if (kind === KIND.keyword) stack.push(row.getUint32(offset, true) !== 0);
        else if (kind === KIND['keyword[]']) stack.push(listAt(offset).length > 0);
        else stack.push(row.getUint8(offset) !== 0);
        break;
      }
      case OP.numRange: {
        const value = row.getFloat64(word(), true);
        const flags = word();
        const [low, high] = f64s(2) as unknown as [number, number];
        const aboveLow = flags & 1 ? value >= low : value > low;
        const belowHigh = flags & 2 ? value <= high : value < high;
        stack.push(aboveLow && belowHigh);
        break;
      }
      case OP.numIn: {
        const value = row.getFloat64(word(), true);
        // Not `includes`, to which NaN equals NaN.
        stack.push(f64s(word()).indexOf(value) !== -1);
        break;
      }
      case OP.kwIn: {
        const code = row.getUint32(word(), true);
        stack.push(words(word()).includes(code));
        break;
      }
      case OP.kwsAny: {
        const list = listAt(word());
        const codes = words(word());
        stack.push(list.some((code) => codes.includes(code)));
        break;
      }
      case OP.boolEq: {
        const value = row.getUint8(word());
        stack.push(value === word());
        break;
      }
      default:
        throw new Error(`a filter program holds the unknown instruction ${op}`);
    }
  }
}
