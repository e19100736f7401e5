/**
 * Errors as GraphQL clients get them: every one carries in `extensions` what the problem details of REST say, so that the
 * same stable codes tell both what to do. What is nobody's business outside stays inside.
 */
import { GraphQLError, type GraphQLFormattedError } from 'graphql';
import { errorAt, NearpinError } from '../../lib/errors.ts';
import { toProblem } from '../../retrieval/problem.ts';

/** GraphQL quotes values that do not fit, however long they are. */
const MESSAGE_CHARS_MAX = 500;
const SUGGESTION = / Did you mean [\s\S]*\?$/;
/** How messages about a variable begin, and the place within it. */
const VARIABLE = /^Variable "\$(\w+)"/;
const PLACE = / at "\w+\.?([\w.[\]]*)"; /;

/**
 * @param canSuggest whether to tell names of the schema that are like a wrong one
 * @param onFault hears of what is a fault of the program
 */
export function formatError(
  thrown: unknown,
  canSuggest: boolean,
  onFault: (error: unknown) => void,
): GraphQLFormattedError {
  const { locations = undefined, path = undefined } = thrown instanceof GraphQLError ? thrown : {};
  const root = rootOf(thrown);
  const refusal = refusalOf(root, thrown);
  if (refusal === undefined || refusal.status === 500) onFault(root);
  const { code, status, detail, errors } = toProblem(refusal);
  const told = (text: string) => (canSuggest ? text : text.replace(SUGGESTION, ''));
  const places = errors?.map((place) => ({ path: place.path, message: told(place.message) }));
  return {
    message: told(detail),
    ...(locations && { locations }),
    ...(path && { path }),
    extensions: { code, status, ...(places && { errors: places }) },
  };
}

/** What was thrown first, below what GraphQL has put around it. */
function rootOf(thrown: unknown): unknown {
  let at = thrown;
  while (at instanceof GraphQLError && at.originalError !== undefined) at = at.originalError;
  return at;
}

/** The refusal that an error comes to; undefined for a fault of the program. */
function refusalOf(root: unknown, thrown: unknown): NearpinError | undefined {
  if (root instanceof NearpinError) return placed(root.code, root.details[0]?.message, thrown) ?? root;
  if (!(root instanceof GraphQLError && thrown instanceof GraphQLError)) return undefined;
  // GraphQL's own, while a field is answered: of its arguments when there is a place in the document, else of a value that we made
  if (thrown.path !== undefined && root.nodes === undefined) return undefined;
  return placed('bad_request', undefined, thrown) ?? new NearpinError('bad_request', clipped(root.message));
}

/** A refusal of a variable, at the place that GraphQL tells in its message: REST's path, where the variable is the request. */
function placed(
  code: NearpinError['code'],
  said: string | undefined,
  thrown: unknown,
): NearpinError | undefined {
  const message = thrown instanceof GraphQLError ? thrown.message : '';
  const variable = VARIABLE.exec(message)?.[1];
  if (variable === undefined) return undefined;
  // After the value, which is quoted
  const reason = message.slice(message.lastIndexOf('; ') + 1).trim();
  return errorAt(code, PLACE.exec(message)?.[1] || variable, said ?? clipped(reason));
}

function clipped(message: string): string {
  return message.length > MESSAGE_CHARS_MAX ? `${message.slice(0, MESSAGE_CHARS_MAX)}…` : message;
}
