/**
 * Documents as they come in, refused before any work is done that their text could make large: by bytes, by tokens while
 * they are parsed, and by what they hold before they are validated. (GraphQL's rule that fields of one name must fit each
 * other compares each pair of them.) One that passed is remembered by its text.
 */
import { type DocumentNode, GraphQLError, Kind, parse, visit } from 'graphql';
import { NearpinError } from '../../lib/errors.ts';
import { LIMITS } from '../../lib/limits.ts';

/** Documents that are remembered, here and by what executes them. */
export const DOCUMENTS_REMEMBERED = 128;

export class Documents {
  readonly #passed = new Set<string>();

  /** Throws bad_request (with the syntax error as its cause) or limit_exceeded. */
  check(source: string): void {
    if (this.#passed.has(source)) return;
    checkSource(source);
    if (this.#passed.size >= DOCUMENTS_REMEMBERED) {
      const [oldest] = this.#passed;
      this.#passed.delete(oldest!);
    }
    this.#passed.add(source);
  }
}

function checkSource(source: string): void {
  const bytes = Buffer.byteLength(source);
  checkLimit(bytes, LIMITS.graphqlDocumentBytesMax, 'bytes');
  const document = parseSource(source);
  let fields = 0;
  let directives = 0;
  let nesting = 0;
  const enter = () => {
    checkLimit(++nesting, LIMITS.graphqlNestingMax, 'levels');
  };
  const leave = () => {
    nesting--;
  };
  const level = { enter, leave };
  visit(document, {
    Field: () => checkLimit(++fields, LIMITS.graphqlFieldsMax, 'fields'),
    Directive: () => checkLimit(++directives, LIMITS.graphqlDirectivesMax, 'directives'),
    SelectionSet: level,
    ListValue: level,
    ObjectValue: level,
    ListType: level,
    OperationDefinition: ({ operation }) => {
      if (operation !== 'query')
        throw new NearpinError('bad_request', `There is no ${operation} here: GraphQL only reads`);
    },
  });
  if (!document.definitions.some(({ kind }) => kind === Kind.OPERATION_DEFINITION))
    throw new NearpinError('bad_request', 'The document holds no operation');
}

function parseSource(source: string): DocumentNode {
  try {
    return parse(source, { maxTokens: LIMITS.graphqlTokensMax });
  } catch (error) {
    if (error instanceof GraphQLError) {
      if (/\btokens\b.*aborted/.test(error.message)) checkLimit(Infinity, LIMITS.graphqlTokensMax, 'tokens');
      throw error;
    }
    // The parser calls itself for each level, so what is nested without end leaves it no stack
    throw new NearpinError('limit_exceeded', 'The document is nested too deep', [], { cause: error });
  }
}

function checkLimit(count: number, limit: number, what: string): void {
  if (count > limit)
    throw new NearpinError('limit_exceeded', `The document has over ${limit} ${what}`, [
      { path: 'query', message: `has over ${limit} ${what}` },
    ]);
}
