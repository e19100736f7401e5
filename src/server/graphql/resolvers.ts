/**
 * What the fields of the schema answer: the functions that REST calls, with requests of the same shape, checked by the
 * same schemas. What a request includes follows from what is selected, so that parts of pins are read with their hits,
 * once, and only where somebody looks at them.
 */
import type { GraphQLResolveInfo } from 'graphql';
import type { PinParts } from '../../engines/engine.ts';
import type { Pin } from '../../index/pin.ts';
import { LIMITS } from '../../lib/limits.ts';
import type {
  Hit,
  HomefeedAnswer,
  IndexDescription,
  MultiAnswer,
  NotificationsAnswer,
  RetrievalAnswer,
  UnavailableIndex,
} from '../../retrieval/contract.ts';
import { describeIndex, describeSurfaces } from '../../retrieval/describe.ts';
import type { OpenIndex } from '../../retrieval/open-index.ts';
import { readPin, readPins } from '../../retrieval/pins.ts';
import { checkList } from '../../retrieval/plan.ts';
import { describeEntry } from '../catalog.ts';
import { QUESTIONS, type QuestionName } from '../questions.ts';
import { type Check, compileCheck } from '../validate.ts';
import { openPage, type PageArguments, pageOf } from './connection.ts';
import { globalId, type NodeRef, parseGlobalId } from './global-id.ts';
import { toRequest } from './request.ts';
import { writeVector } from './scalars.ts';
import { selects } from './selection.ts';
import type { Opened, Session } from './session.ts';

/** What every field is given besides its arguments. */
export interface Context {
  readonly session: Session;
}

interface OfIndex {
  readonly index: string;
}
interface Asked extends OfIndex, PageArguments {
  readonly request: Readonly<Record<string, unknown>>;
}

/** A pin as a source of fields: what was read of it, and where the rest is to be read. */
interface PinNode extends OfIndex {
  readonly __typename: 'Pin';
  readonly pinId: string;
  readonly opened: Opened;
  readonly read: Pin | Hit;
}

const PARTS = ['payload', 'attributes', 'vector'] as const;

/** The resolvers, by types and fields. */
export function createResolvers() {
  const checks = Object.fromEntries(
    Object.entries(QUESTIONS).map(([name, { body }]) => [name, compileCheck({ $ref: body })]),
  ) as Record<QuestionName, Check>;

  /** Asks as REST would, and follows up as REST does. `within` is where the hits lie below the field. */
  async function ask(
    question: QuestionName,
    index: string,
    input: Readonly<Record<string, unknown>>,
    { session }: Context,
    info: GraphQLResolveInfo,
    within: readonly string[] = [],
  ): Promise<{ opened: Opened; answer: object }> {
    const { service } = session;
    const opened = await session.open(index);
    const include = PARTS.filter((part) => selects(info, [...within, 'edges', 'node', part]));
    const explain = [['explain'], ['edges', 'explain']].some((path) => selects(info, [...within, ...path]));
    const request = {
      ...toRequest(input),
      ...(include.length > 0 && { include }),
      ...(explain && { explain }),
    };
    checks[question](request);
    const run = (of: OpenIndex, what: object) => QUESTIONS[question].run(of, what as never, service.clock);
    const answer = await run(opened.shared, request);
    if (opened.index.mixer)
      service.aftermath.follow({
        requestId: `${session.requestId}/${pathOf(info)}`,
        surface: question,
        index: opened.index,
        request,
        answer,
        run,
        afterwards: session.afterwards,
      });
    return { opened, answer };
  }

  /** A question with one list of hits. */
  const connect =
    (question: QuestionName) =>
    async (_source: unknown, args: Asked, context: Context, info: GraphQLResolveInfo) => {
      const { index, request: input, ...page } = args;
      return connection(question, index, input, page, context, info);
    };

  async function connection(
    question: QuestionName,
    index: string,
    input: Readonly<Record<string, unknown>>,
    page: PageArguments,
    context: Context,
    info: GraphQLResolveInfo,
  ) {
    const { name } = context.session.served(index);
    // How long there is time does not change which hits there are
    const { deadlineMs: _, ...list } = input;
    const opened = openPage(page, [question, name, list]);
    const asked = await ask(question, index, input, context, info);
    const answer = asked.answer as RetrievalAnswer;
    return hitsOf(index, asked.opened, answer, pageOf(answer, opened));
  }

  const readParts = (info: GraphQLResolveInfo): PinParts => ({
    payload: selects(info, ['payload']),
    attributes: selects(info, ['attributes']),
    vector: selects(info, ['vector']),
  });

  async function readNode(ref: NodeRef, { session }: Context, info: GraphQLResolveInfo) {
    if (ref.kind === 'Index') {
      const entry = session.entry(ref.index);
      return entry === undefined ? null : indexNode(describeEntry(entry), ref.index);
    }
    const opened = await session.open(ref.index);
    const [pin] = await readPins(opened.shared, [ref.pin], readParts(info));
    return pin === undefined ? null : pinNode(ref.index, opened, pin);
  }

  return {
    Query: {
      node: (_source: unknown, { id }: { id: string }, context: Context, info: GraphQLResolveInfo) =>
        readNode(parseGlobalId(id, 'id'), context, info),
      nodes: (_source: unknown, { ids }: { ids: string[] }, context: Context, info: GraphQLResolveInfo) =>
        checkList(ids, 'ids', LIMITS.readPinsMax)
          .map((id, i) => parseGlobalId(id as string, `ids[${i}]`))
          .map((ref) => readNode(ref, context, info)),
      indexes: (_source: unknown, _args: unknown, { session }: Context) =>
        session.entries().map((entry) => indexNode(describeEntry(entry), entry.name)),
      index: (_source: unknown, { name }: { name: string }, { session }: Context) =>
        indexNode(describeIndex(session.served(name)), name),
      pin: async (
        _source: unknown,
        { index, id }: OfIndex & { id: string },
        { session }: Context,
        info: GraphQLResolveInfo,
      ) => {
        const opened = await session.open(index);
        return pinNode(index, opened, await readPin(opened.shared, id, readParts(info)));
      },
      pins: async (
        _source: unknown,
        { index, ids }: OfIndex & { ids: string[] },
        { session }: Context,
        info: GraphQLResolveInfo,
      ) => {
        const opened = await session.open(index);
        const pins = await readPins(opened.shared, ids, readParts(info));
        return pins.map((pin) => (pin === undefined ? null : pinNode(index, opened, pin)));
      },
      query: connect('query'),
      related: connect('related'),
      search: connect('search'),
      homefeed: connect('homefeed'),
      queries: async (_source: unknown, args: Asked, context: Context, info: GraphQLResolveInfo) => {
        const { index, request } = args;
        const { opened, answer } = await ask('query', index, request, context, info);
        return (answer as MultiAnswer).results.map((each) => allHitsOf(index, opened, each, request));
      },
      notifications: async (_source: unknown, args: Asked, context: Context, info: GraphQLResolveInfo) => {
        const { index, request } = args;
        const { opened, answer } = await ask('notifications', index, request, context, info, ['hits']);
        return (answer as NotificationsAnswer).users.map((each) =>
          'problem' in each ? each : { user: each.user, hits: allHitsOf(index, opened, each, request) },
        );
      },
    },
    Index: {
      surfaces: ({ status, name }: { status: string; name: string }, _args: unknown, { session }: Context) =>
        status === 'ready' ? describeSurfaces(session.served(name).current()).surfaces : null,
    },
    Pin: {
      id: ({ index, pinId }: PinNode) => globalId({ kind: 'Pin', index, pin: pinId }),
      seq: async ({ read, pinId, opened }: PinNode) => {
        if ('seq' in read) return read.seq;
        const [pin] = await readPins(opened.shared, [pinId], {});
        return pin?.seq;
      },
      attributes: ({ read }: PinNode) => read.attributes,
      payload: ({ read }: PinNode) => read.payload,
      vector: ({ read }: PinNode, { as }: { as: 'floats' | 'base64' }) =>
        read.vector && writeVector(read.vector, as),
      related: (
        { index, pinId }: PinNode,
        { request, ...page }: PageArguments & { request?: Readonly<Record<string, unknown>> | null },
        context: Context,
        info: GraphQLResolveInfo,
      ) => connection('related', index, { ...request, pins: [{ id: pinId }] }, page, context, info),
    },
  };
}

/** The field's place in the answer. */
function pathOf({ path }: GraphQLResolveInfo): string {
  const keys: (string | number)[] = [];
  for (let at: GraphQLResolveInfo['path'] | undefined = path; at !== undefined; at = at.prev)
    keys.unshift(at.key);
  return keys.join('.');
}

/** Under the name that it was asked by. */
function indexNode(described: IndexDescription | UnavailableIndex, asked: string) {
  return { __typename: 'Index', id: globalId({ kind: 'Index', index: asked }), ...described };
}

function pinNode(index: string, opened: Opened, read: Pin | Hit): PinNode {
  return { __typename: 'Pin', index, pinId: read.id, opened, read };
}

/** A connection of an answer, as its fields are read from. */
function hitsOf(
  index: string,
  opened: Opened,
  answer: RetrievalAnswer | HomefeedAnswer,
  { hits, ...page }: ReturnType<typeof pageOf>,
) {
  return {
    ...answer,
    ...page,
    edges: hits.map(({ hit, cursor }) => ({ ...hit, cursor, node: pinNode(index, opened, hit) })),
  };
}

/** The only page of one of several lists. */
function allHitsOf(index: string, opened: Opened, answer: RetrievalAnswer, asked: object) {
  return hitsOf(index, opened, answer, pageOf(answer, openPage({}, [opened.index.name, asked])));
}
