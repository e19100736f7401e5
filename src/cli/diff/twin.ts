/**
 * A REST request as the GraphQL operation that asks the same, and that operation's answer in the shape of REST: what
 * `nearpin diff` compares by, and what `docs/graphql.md` tells a team that moves.
 */

type Fields = Readonly<Record<string, unknown>>;

/** A request of the HTTP API: the path's operation, the index, and the body. */
export interface RestRequest {
  readonly op: string;
  readonly index: string;
  readonly request: Fields;
}

export interface GraphqlRequest {
  readonly query: string;
  readonly variables: Fields;
}

/** Operations that have a twin; `pin` is `GET …/pins/:id` with `{id, include}`. */
export const TWINS = ['query', 'related', 'search', 'homefeed', 'notifications', 'batch', 'pin'] as const;

const INPUTS: Readonly<Record<string, string>> = {
  query: 'QueryRequest',
  queries: 'QueriesRequest',
  related: 'RelatedRequest',
  search: 'SearchRequest',
  homefeed: 'HomefeedRequest',
  notifications: 'NotificationsRequest',
};
const PARTS: readonly unknown[] = ['payload', 'attributes', 'vector'];

/** The operation that asks the same. What is not of REST's shape goes on as it is, to be refused by GraphQL, too. */
export function twinOf({ op, index, request }: RestRequest): GraphqlRequest {
  if (op === 'pin') {
    const parts = listOf(request.include).includes('vector') ? PARTS : PARTS.slice(0, 2);
    return {
      query: `query ($index: String!, $id: ID!) { pin(index: $index, id: $id) { pinId seq ${parts.join(' ')} } }`,
      variables: { index, id: request.id },
    };
  }
  const asked =
    op === 'batch' ? (listOf(request.requests) as RestRequest[]).map(partsOfItem) : [{ op, request }];
  const questions = asked.map(({ op, request }, i) => questionOf(op, request, i));
  const declared = questions.map(({ declaration }) => declaration).join(', ');
  return {
    query: `query ($index: String!, ${declared}) { ${questions.map(({ field }) => field).join(' ')} }`,
    variables: { index, ...Object.fromEntries(questions.map(({ name, input }) => [name, input])) },
  };
}

/** An item of a batch, which has its op beside its fields. */
function partsOfItem(item: unknown): { op: string; request: Fields } {
  const { op, ...request } = item as { op: string };
  return { op, request };
}

function questionOf(op: string, { include, explain, ...fields }: Fields, i: number) {
  const field = op === 'query' && fields.vectors !== undefined ? 'queries' : op;
  const parts = listOf(include).filter((part) => PARTS.includes(part));
  const hits = `
    edges { score source team node { pinId ${parts.join(' ')} }${explain ? ' explain { rank sourceScore boosts }' : ''} }
    tookMs ef generation model exhausted coverage { shards answered degraded }
    experiments { experiment arm forced }
    ${explain ? 'explain { plan ef selectivity matching mask distances hops }' : ''}
    ${op === 'homefeed' || op === 'notifications' ? 'skipped' : ''}`;
  const below =
    op === 'notifications'
      ? `user problem { code status title detail errors { path message } } hits { ${hits} }`
      : hits;
  return {
    name: `r${i}`,
    declaration: `$r${i}: ${INPUTS[field] ?? 'QueryRequest'}!`,
    field: `r${i}: ${field}(index: $index, request: $r${i}) { ${below} }`,
    input: inputOf(fields),
  };
}

/** The input object of a body: pins are objects there, and what was seen has a field for each of its forms. */
function inputOf({ pins, negatives, history, seen, users, ...rest }: Fields): Fields {
  const bloom = (seen as { bloom?: unknown } | undefined)?.bloom;
  return {
    ...rest,
    ...(pins !== undefined && { pins: asObjects(pins) }),
    ...(negatives !== undefined && { negatives: asObjects(negatives) }),
    ...(history !== undefined && { history: asObjects(history) }),
    ...(bloom !== undefined ? { seenBloom: bloom } : seen !== undefined && { seen }),
    ...(users !== undefined && { users: listOf(users).map((user) => inputOf(user as Fields)) }),
  };
}

const asObjects = (pins: unknown): unknown =>
  Array.isArray(pins) ? pins.map((pin) => (typeof pin === 'object' ? pin : { id: pin })) : pins;

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** What GraphQL answers, or refuses, in the shape of REST's answer or problem. */
export function answerOf({ op, request }: RestRequest, { data, errors = [] }: GraphqlAnswer): Fields {
  const problems = new Map(errors.map(({ path, extensions }) => [path?.[0] ?? '', extensions]));
  const refusal = problems.get('');
  if (refusal !== undefined || data == null) return refusal ?? errors[0]!.extensions;
  if (op === 'batch')
    return {
      answers: listOf(request.requests).map((item, i) =>
        restAnswer((item as { op: string }).op, data[`r${i}`], problems.get(`r${i}`)),
      ),
    };
  const name = op === 'pin' ? 'pin' : 'r0';
  return restAnswer(op, data[name], problems.get(name));
}

export interface GraphqlAnswer {
  readonly data?: Fields | null;
  readonly errors?: readonly { readonly path?: readonly (string | number)[]; readonly extensions: Fields }[];
}

function restAnswer(op: string, answer: unknown, problem: Fields | undefined): Fields {
  if (problem !== undefined) return problem;
  if (op === 'pin') {
    const { pinId, ...pin } = answer as Fields;
    return { id: pinId, ...withoutNulls(pin) };
  }
  if (op === 'notifications')
    return {
      users: (answer as { user: string | null; problem: Fields | null; hits: Fields }[]).map(
        ({ user, problem, hits }) =>
          problem === null ? { user, ...restHits(hits) } : { user, problem: withoutNulls(problem) },
      ),
    };
  return Array.isArray(answer) ? { results: answer.map(restHits) } : restHits(answer as Fields);
}

function restHits({ edges, model, coverage, explain, experiments, ...rest }: Fields): Fields {
  return {
    hits: (edges as Fields[]).map(({ node, ...edge }) => {
      const { pinId, ...parts } = node as Fields;
      return { id: pinId, ...withoutNulls(edge), ...withoutNulls(parts) };
    }),
    model,
    coverage: withoutNulls(coverage as Fields),
    ...(explain != null && { explain: (explain as Fields[]).map(withoutNulls) }),
    ...(experiments != null && { experiments: (experiments as Fields[]).map(withoutNulls) }),
    ...rest,
  };
}

/** REST leaves out what GraphQL answers null for. */
function withoutNulls(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));
}
