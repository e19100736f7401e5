/**
 * Filters: the operators that Node users know from MongoDB, with MongoDB's meaning. A comparison never matches a pin
 * that lacks the attribute, and what negates one (`$ne`, `$nin`, `$not`) therefore always does. On a `keyword[]`,
 * `$eq` and `$in` match when any element does, `$ne` and `$nin` when none does; an empty list counts as missing.
 */
import { errorAt } from '../lib/errors.ts';
import { LIMITS } from '../lib/limits.ts';
import { parseScalar, type Scalar } from './attribute-value.ts';
import type { AttributeType, AttributeTypes } from './config.ts';
import type { Attributes } from './pin.ts';
import { fieldPath, isRecord } from './shape.ts';

/** A filter as users write it: `{"category": "lamps", "price": {"$lt": 50}}`. */
export type Filter = Readonly<Record<string, unknown>>;

/** A checked filter. `and` of nothing is true, `or` of nothing and `in` of no values are false. */
export type FilterNode =
  | { readonly op: 'and' | 'or'; readonly nodes: readonly FilterNode[] }
  | { readonly op: 'not'; readonly node: FilterNode }
  | { readonly op: 'exists'; readonly attribute: string }
  | { readonly op: 'in'; readonly attribute: string; readonly values: readonly Scalar[] }
  | RangeNode;

/** Numbers and times between two bounds; an open side is an infinity, inclusive. */
export interface RangeNode {
  readonly op: 'range';
  readonly attribute: string;
  readonly low: number;
  readonly lowInclusive: boolean;
  readonly high: number;
  readonly highInclusive: boolean;
}

/**
 * Checks a filter against the declared attributes. Times may be epoch ms or ISO 8601; they become epoch ms.
 * Throws bad_filter, or limit_exceeded for one that is too deep or too large, with the path of the fault as in
 * `filter.$and[1].price.$gte`.
 */
export function parseFilter(filter: unknown, types: AttributeTypes, path = 'filter'): FilterNode {
  return new FilterParser(types).filter(filter, path, 1);
}

/** What one attribute of a filter is held against. */
interface Field {
  readonly name: string;
  readonly type: AttributeType;
}

class FilterParser {
  readonly #types: AttributeTypes;
  #nodes = 0;
  #values = 0;

  constructor(types: AttributeTypes) {
    this.#types = types;
  }

  filter(filter: unknown, path: string, depth: number): FilterNode {
    this.#checkDepth(path, depth);
    if (!isRecord(filter)) throw errorAt('bad_filter', path, 'must be an object');
    return allOf(
      Object.keys(filter).map((key) => {
        const at = fieldPath(path, key);
        const value = filter[key];
        if (!key.startsWith('$')) return this.#condition(this.#field(key, at), value, at, depth);
        this.#countNode(at);
        switch (key) {
          case '$and':
            return allOf(this.#filters(value, at, depth));
          case '$or':
            return anyOf(this.#filters(value, at, depth));
          case '$not':
            return not(this.filter(value, at, depth + 1));
          default:
            throw errorAt('bad_filter', at, 'is not an operator that takes filters ($and, $or, $not)');
        }
      }),
    );
  }

  #filters(value: unknown, path: string, depth: number): FilterNode[] {
    if (!Array.isArray(value)) throw errorAt('bad_filter', path, 'must be an array of filters');
    return value.map((element, i) => this.filter(element, `${path}[${i}]`, depth + 1));
  }

  #field(name: string, path: string): Field {
    const type = Object.hasOwn(this.#types, name) ? this.#types[name] : undefined;
    if (type === undefined) throw errorAt('bad_filter', path, 'is not a declared attribute');
    return { name, type };
  }

  /** What stands under an attribute: a value to equal, or an object of operators. */
  #condition(field: Field, value: unknown, path: string, depth: number): FilterNode {
    if (isRecord(value)) return this.#operators(field, value, path, depth);
    this.#countNode(path);
    if (value === null || value === undefined) {
      throw errorAt(
        'bad_filter',
        path,
        'must be a value; use {"$exists": false} for pins without the attribute',
      );
    }
    if (Array.isArray(value)) throw errorAt('bad_filter', path, 'must be one value; use $in for several');
    return this.#in(field, [value], () => path);
  }

  #operators(
    field: Field,
    operators: Readonly<Record<string, unknown>>,
    path: string,
    depth: number,
  ): FilterNode {
    this.#checkDepth(path, depth);
    const keys = Object.keys(operators);
    if (keys.length === 0) throw errorAt('bad_filter', path, 'needs an operator');
    const nodes: FilterNode[] = [];
    let range: RangeNode | undefined;
    for (const operator of keys) {
      const at = fieldPath(path, operator);
      const value = operators[operator];
      this.#countNode(at);
      switch (operator) {
        case '$eq':
          nodes.push(this.#in(field, [value], () => at));
          break;
        case '$ne':
          nodes.push(not(this.#in(field, [value], () => at)));
          break;
        case '$in':
          nodes.push(this.#in(field, value, (i) => `${at}[${i}]`, at));
          break;
        case '$nin':
          nodes.push(not(this.#in(field, value, (i) => `${at}[${i}]`, at)));
          break;
        case '$exists':
          if (typeof value !== 'boolean') throw errorAt('bad_filter', at, 'must be true or false');
          nodes.push(value ? exists(field) : not(exists(field)));
          break;
        case '$not':
          if (!isRecord(value)) throw errorAt('bad_filter', at, 'must be an object of operators');
          nodes.push(not(this.#operators(field, value, at, depth + 1)));
          break;
        case '$gt':
        case '$gte':
        case '$lt':
        case '$lte':
          range = narrow(range ?? everything(field), operator, this.#bound(field, value, at));
          break;
        default:
          throw errorAt('bad_filter', at, 'is not an operator that an attribute takes');
      }
    }
    return allOf(range === undefined ? nodes : [range, ...nodes]);
  }

  #in(field: Field, values: unknown, pathOf: (i: number) => string, path = pathOf(0)): FilterNode {
    if (!Array.isArray(values)) throw errorAt('bad_filter', path, 'must be an array of values');
    this.#values += values.length;
    if (this.#values > LIMITS.filterValuesMax) {
      throw errorAt('limit_exceeded', path, `brings the filter over ${LIMITS.filterValuesMax} values`);
    }
    return {
      op: 'in',
      attribute: field.name,
      values: values.map((value, i) => parseScalar(value, field.type, pathOf(i), 'bad_filter')),
    };
  }

  #bound(field: Field, value: unknown, path: string): number {
    if (field.type !== 'number' && field.type !== 'time') {
      throw errorAt('bad_filter', path, `needs an attribute of type number or time, not ${field.type}`);
    }
    return parseScalar(value, field.type, path, 'bad_filter') as number;
  }

  #checkDepth(path: string, depth: number): void {
    if (depth > LIMITS.filterDepthMax) {
      throw errorAt('limit_exceeded', path, `is nested deeper than ${LIMITS.filterDepthMax} levels`);
    }
  }

  #countNode(path: string): void {
    this.#nodes++;
    if (this.#nodes > LIMITS.filterNodesMax) {
      throw errorAt('limit_exceeded', path, `brings the filter over ${LIMITS.filterNodesMax} conditions`);
    }
  }
}

function allOf(nodes: readonly FilterNode[]): FilterNode {
  return nodes.length === 1 ? nodes[0]! : { op: 'and', nodes };
}

function anyOf(nodes: readonly FilterNode[]): FilterNode {
  return nodes.length === 1 ? nodes[0]! : { op: 'or', nodes };
}

function not(node: FilterNode): FilterNode {
  return { op: 'not', node };
}

function exists(field: Field): FilterNode {
  return { op: 'exists', attribute: field.name };
}

function everything(field: Field): RangeNode {
  return {
    op: 'range',
    attribute: field.name,
    low: Number.NEGATIVE_INFINITY,
    lowInclusive: true,
    high: Number.POSITIVE_INFINITY,
    highInclusive: true,
  };
}

/** The part of a range that also meets one more bound. */
function narrow(range: RangeNode, operator: '$gt' | '$gte' | '$lt' | '$lte', bound: number): RangeNode {
  const inclusive = operator.endsWith('e');
  if (operator.startsWith('$g')) {
    if (bound < range.low || (bound === range.low && inclusive)) return range;
    return { ...range, low: bound, lowInclusive: inclusive };
  }
  if (bound > range.high || (bound === range.high && inclusive)) return range;
  return { ...range, high: bound, highInclusive: inclusive };
}

/**
 * Whether a pin with these (parsed) attributes matches: the naive oracle that the compiled program and the core are
 * held against.
 */
export function matches(node: FilterNode, attributes: Attributes): boolean {
  switch (node.op) {
    case 'and':
      return node.nodes.every((child) => matches(child, attributes));
    case 'or':
      return node.nodes.some((child) => matches(child, attributes));
    case 'not':
      return !matches(node.node, attributes);
    case 'exists':
      return scalarsOf(attributes, node.attribute).length > 0;
    case 'in':
      return scalarsOf(attributes, node.attribute).some((scalar) => node.values.includes(scalar));
    case 'range':
      return scalarsOf(attributes, node.attribute).some(
        (scalar) =>
          typeof scalar === 'number' &&
          (scalar > node.low || (node.lowInclusive && scalar === node.low)) &&
          (scalar < node.high || (node.highInclusive && scalar === node.high)),
      );
  }
}

/** What a pin holds under an attribute: nothing, one value, or the elements of a list. */
function scalarsOf(attributes: Attributes, name: string): readonly Scalar[] {
  const value = Object.hasOwn(attributes, name) ? attributes[name] : undefined;
  if (value === undefined) return [];
  return typeof value === 'object' ? value : [value];
}
