/**
 * What an operation costs, known before it runs: every field counts one for each time it is answered, so that lists
 * multiply what is asked of their entries; a question to an index counts for the hits that it ranks, a part of a pin for its
 * size. Whatever one question of REST with the greatest k may ask passes; what multiplies questions does not.
 */
import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLField,
  type GraphQLSchema,
  getArgumentValues,
  getNamedType,
  getOperationAST,
  getVariableValues,
  isInterfaceType,
  isObjectType,
  Kind,
} from 'graphql';
import { errorAt } from '../../lib/errors.ts';
import { LIMITS } from '../../lib/limits.ts';
import { DEFAULT_K } from '../../retrieval/plan.ts';
import { type SelectionScope, selectedBelow, selectedIn } from './selection.ts';

/** Of what can be large. */
const HEAVY = 10;
const WEIGHTS: Readonly<Record<string, number>> = {
  payload: HEAVY,
  attributes: HEAVY,
  vector: HEAVY,
  surfaces: HEAVY,
  cursor: HEAVY,
  __schema: 100 * HEAVY,
  __type: 10 * HEAVY,
};
/** The fields that ask an index, and what that costs beside the hits that it ranks. */
const QUESTIONS: readonly string[] = ['query', 'queries', 'related', 'search', 'homefeed', 'notifications'];
const QUESTION = 10;
/** Indexes that a server may have, where they are listed. */
const INDEXES = 10;

type Arguments = Readonly<Record<string, unknown>>;
interface Asked {
  readonly k?: number | null;
  readonly vectors?: readonly unknown[] | null;
  readonly users?: readonly { readonly max?: number | null }[] | null;
}

/**
 * The cost of the operation, with its variables. Documents are valid already.
 * @throws NearpinError limit_exceeded at the path of the field with which it is over one of the limits; GraphQLError for
 * variables or arguments that do not fit
 */
export function costOf(
  schema: GraphQLSchema,
  document: DocumentNode,
  variables: Arguments,
  operationName: string | undefined,
): number {
  const operation = getOperationAST(document, operationName);
  // Whoever executes it says what is wrong
  if (operation == null) return 0;
  const { coerced, errors } = getVariableValues(schema, operation.variableDefinitions ?? [], {
    ...variables,
  });
  if (coerced === undefined) throw errors[0];
  const fragments: Record<string, FragmentDefinitionNode> = {};
  for (const definition of document.definitions)
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments[definition.name.value] = definition;
  const walk = new Walk(schema, { fragments, variableValues: coerced });

  const roots = selectedIn([operation.selectionSet], walk.scope);
  if (roots.length > LIMITS.graphqlRootFieldsMax)
    throw errorAt('limit_exceeded', 'query', `asks for over ${LIMITS.graphqlRootFieldsMax} fields at once`);
  for (const { field } of roots) walk.add(field, 'Query', 1, 0, [keyOf(field)]);
  return walk.cost;
}

class Walk {
  readonly #schema: GraphQLSchema;
  readonly scope: SelectionScope;
  cost = 0;

  constructor(schema: GraphQLSchema, scope: SelectionScope) {
    this.#schema = schema;
    this.scope = scope;
  }

  /**
   * Adds a field with all below it.
   * @param times that it is answered, over 0
   * @param hits of the connection that it is a field of
   */
  add(field: FieldNode, type: string, times: number, hits: number, path: readonly string[]): void {
    const name = field.name.value;
    this.#charge(times * (WEIGHTS[name] ?? 1), path);
    // GraphQL's own fields have their own limit of depth
    if (name.startsWith('__')) return;
    if (path.length > LIMITS.graphqlDepthMax)
      throw errorAt('limit_exceeded', path.join('.'), `lies deeper than ${LIMITS.graphqlDepthMax} fields`);
    const definition = this.#definition(type, name);
    const returned = getNamedType(definition.type).name;
    const args = getArgumentValues(definition, field, this.scope.variableValues);
    const asked = QUESTIONS.includes(name) ? questionsOf(args) : undefined;
    if (asked) this.#charge(times * asked.questions * (QUESTION + asked.ranked), path);
    const below = times * (asked?.questions ?? entriesOf(name, args, hits));
    // Those of a person lie between the question and its hits
    const hitsBelow = asked?.shown ?? (name === 'hits' ? hits : 0);
    if (below === 0) return;
    for (const { field: inner, on } of selectedBelow([field], this.scope))
      this.add(inner, on ?? returned, below, hitsBelow, [...path, keyOf(inner)]);
  }

  #charge(cost: number, path: readonly string[]): void {
    this.cost += cost;
    if (this.cost > LIMITS.graphqlCostMax)
      throw errorAt(
        'limit_exceeded',
        path.join('.'),
        `with what is asked for before, this costs over the limit of ${LIMITS.graphqlCostMax}`,
      );
  }

  #definition(type: string, name: string): GraphQLField<unknown, unknown> {
    const found = this.#schema.getType(type);
    if (isObjectType(found) || isInterfaceType(found)) return found.getFields()[name]!;
    throw new Error(`${type} has no fields`);
  }
}

/** How many questions the arguments ask, the hits that each ranks, and those that it shows. */
function questionsOf(args: Arguments) {
  const { k, vectors, users } = (args.request ?? {}) as Asked;
  const ranked = (users ?? []).reduce(
    (most, { max }) => Math.max(most, withinLimit(max ?? 0)),
    withinLimit(k ?? DEFAULT_K),
  );
  const shown = Math.min(ranked, withinLimit((args.first as number | null | undefined) ?? ranked));
  return { questions: (vectors ?? users)?.length ?? 1, ranked, shown };
}

/** What is out of bounds costs nothing: it is refused, by its own name and for itself. */
const withinLimit = (hits: number): number => (hits < 0 || hits > LIMITS.kMax ? 0 : hits);

/** How many entries a field has that asks nothing. */
function entriesOf(name: string, { ids }: Arguments, hits: number): number {
  if (name === 'edges') return hits;
  if (name === 'indexes') return INDEXES;
  return Array.isArray(ids) ? ids.length : 1;
}

const keyOf = ({ alias, name }: FieldNode): string => (alias ?? name).value;
