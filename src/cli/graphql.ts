/** What a server is told of GraphQL: the list of its operations, and whether its schema can be asked for. */
import { errorAt } from '../lib/errors.ts';
import type { GraphqlOptions } from '../server/graphql/route.ts';
import { isLoopback } from './addresses.ts';
import { readJsonAs } from './json-file.ts';
import type { Settings } from './settings.ts';

/** Throws bad_config, or what keeps the list from being read. */
export async function readGraphql(settings: Settings): Promise<GraphqlOptions> {
  const { host, keysFile, jwks, graphqlOperations: file, graphqlOperationsOnly: operationsOnly } = settings;
  if (operationsOnly && file === undefined)
    throw errorAt('bad_config', 'graphqlOperationsOnly', 'needs graphqlOperations, the list');
  const isTrial = isLoopback(host) && keysFile === undefined && jwks === undefined;
  return {
    introspection: settings.graphqlIntrospection ?? isTrial,
    operationsOnly,
    ...(file !== undefined && { operations: await readJsonAs(file, (list) => list) }),
  };
}
