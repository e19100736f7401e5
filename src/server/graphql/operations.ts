/**
 * Operations that are known by an id: a list that a team makes when it builds its clients, so that requests are small and,
 * where nothing else is taken, nobody asks what the team has not written. The list is given when the server starts; a
 * client cannot add to it.
 */
import { createHash } from 'node:crypto';
import { type GraphQLSchema, parse, specifiedRules, type ValidationRule, validate } from 'graphql';
import { errorAt, NearpinError } from '../../lib/errors.ts';
import { Documents } from './document.ts';
import { createSchema } from './schema.ts';

/** What a request says of its document. */
export interface Asked {
  readonly query?: string | null;
  /** Of an operation on the list. */
  readonly id?: string | null;
  readonly extensions?: {
    readonly persistedQuery?: { readonly version: number; readonly sha256Hash: string };
  } | null;
}

/** What clients of Apollo's protocol look for: they send the document next, or the hash no more. */
const NOT_FOUND = 'PersistedQueryNotFound';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

export class Operations {
  readonly #only: boolean;
  /** Documents by their ids, and by the SHA-256 of their text. */
  readonly #documents = new Map<string, string>();

  /**
   * @param list documents by id
   * @param only whether a request may ask nothing else
   * @throws NearpinError bad_config for a list that is none, or a document that the schema does not answer
   */
  constructor(
    list: unknown,
    only: boolean,
    schema: GraphQLSchema,
    rules: readonly ValidationRule[],
    documents: Documents,
  ) {
    this.#only = only;
    if (typeof list !== 'object' || list === null || Array.isArray(list))
      throw errorAt('bad_config', 'graphqlOperations', 'must hold documents by their ids');
    for (const [id, document] of Object.entries(list)) {
      const path = `graphqlOperations.${id}`;
      if (typeof document !== 'string') throw errorAt('bad_config', path, 'must be a document');
      const wrong = problemOf(document, schema, rules, documents);
      if (wrong !== undefined) throw errorAt('bad_config', path, wrong);
      this.#documents.set(id, document);
      this.#documents.set(sha256(document), document);
    }
  }

  /**
   * The document of a request.
   * @throws NearpinError unknown_operation for what is not on the list, where it must be; bad_request for a hash of another
   * document, or none of everything
   */
  documentOf({ query, id, extensions }: Asked): string {
    const hash = extensions?.persistedQuery?.sha256Hash;
    if (query != null) {
      if (hash !== undefined && hash !== sha256(query))
        throw errorAt(
          'bad_request',
          'extensions.persistedQuery.sha256Hash',
          'is not the hash of the document',
        );
      if (!this.#only || this.#documents.has(sha256(query))) return query;
      throw errorAt('unknown_operation', 'query', 'this server answers the operations on its list only');
    }
    const key = id ?? hash;
    if (key === undefined) throw errorAt('bad_request', 'query', 'is missing');
    const document = this.#documents.get(key);
    if (document !== undefined) return document;
    throw new NearpinError('unknown_operation', NOT_FOUND, [
      { path: id == null ? 'extensions.persistedQuery.sha256Hash' : 'id', message: 'is not on the list' },
    ]);
  }
}

/** Refuses a list that a server could not start with: bad_config. */
export function checkOperations(list: unknown): void {
  new Operations(list, true, createSchema(), specifiedRules, new Documents());
}

function problemOf(
  document: string,
  schema: GraphQLSchema,
  rules: readonly ValidationRule[],
  documents: Documents,
): string | undefined {
  try {
    documents.check(document);
    return validate(schema, parse(document), rules)[0]?.message;
  } catch (error) {
    return (error as Error).message;
  }
}
