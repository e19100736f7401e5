/**
 * The shapes of requests and answers, stated once: what is refused, what OpenAPI shows, and what the tests hold
 * answers against. They follow `src/retrieval/contract.ts`; a test compares the two.
 */
import Type, { type TProperties, type TSchema } from 'typebox';
import { ERRORS } from '../lib/errors.ts';
import { LIMITS } from '../lib/limits.ts';

/** An object that refuses fields it does not name. */
const strict = <Properties extends TProperties>(properties: Properties, description?: string) =>
  Type.Object(properties, { additionalProperties: false, ...(description !== undefined && { description }) });
const optional = Type.Optional;
const whole = (minimum: number, maximum: number, description: string) =>
  Type.Integer({ minimum, maximum, description });

const Vector = Type.Union([Type.Array(Type.Number()), Type.String({ format: 'binary' })], {
  description:
    'As many numbers as the index has dimensions; in msgpack also `bin` of little-endian 32-bit floats.',
});
const PinId = Type.Union([Type.String({ minLength: 1 }), Type.Integer()], {
  description: `1 to ${LIMITS.pinIdBytesMax} bytes of UTF-8; an integer stands for its decimal string.`,
});
const Filter = Type.Object(
  {},
  {
    additionalProperties: true,
    description:
      'Conditions on declared attributes: `{"category": "lamps", "price": {"$lt": 50}}`, with $eq $ne $in $nin ' +
      '$gt $gte $lt $lte $exists, $and $or $not.',
    examples: [{ category: 'lamps', price: { $gte: 10, $lt: 50 } }],
  },
);

const common = {
  k: optional(Type.Integer({ minimum: 1, maximum: LIMITS.kMax, default: 10, description: 'Hits wanted.' })),
  ef: optional(
    whole(
      1,
      LIMITS.efMax,
      'Width of the search: about so many candidates are followed, up to twice as many where many are about as near; ' +
        'raised to what k needs.',
    ),
  ),
  filter: optional(Type.Ref('Filter')),
  exact: optional(Type.Boolean({ description: 'Compare with every matching pin.' })),
  minScore: optional(Type.Number({ description: 'Only hits with at least this score.' })),
  deadlineMs: optional(
    Type.Number({
      exclusiveMinimum: 0,
      description: 'When it passes, the answer is partial (see coverage).',
    }),
  ),
  include: optional(
    Type.Array(Type.Enum(['payload', 'attributes', 'vector']), {
      maxItems: 3,
      description: 'Parts of the pins to return with the hits.',
    }),
  ),
  exclude: optional(
    Type.Array(Type.Ref('PinId'), {
      maxItems: LIMITS.excludeMax,
      description: 'Pins that must not be hits.',
    }),
  ),
  explain: optional(
    Type.Boolean({
      description: 'Tell how each shard was searched, and of surfaces how each hit was ranked.',
    }),
  ),
};
const model = optional(
  Type.String({ description: '`name@revision` that made the vector; refused when the index has another.' }),
);

const query = {
  vector: optional(Type.Ref('Vector')),
  vectors: optional(
    Type.Array(Type.Ref('Vector'), {
      maxItems: LIMITS.queryVectorsMax,
      description: 'Several queries at once; give either vector or vectors.',
    }),
  ),
  model,
  ...common,
};

const seeds = (description: string) =>
  Type.Array(
    Type.Union([
      Type.Ref('PinId'),
      strict({ id: Type.Ref('PinId'), weight: optional(Type.Number({ exclusiveMinimum: 0, default: 1 })) }),
    ]),
    { maxItems: LIMITS.seedsMax, description },
  );

const orNull = <Schema extends TSchema>(schema: Schema) => Type.Union([schema, Type.Null()]);
const Boost = Type.Union(
  [
    strict({ filter: Type.Ref('Filter'), factor: Type.Number({ exclusiveMinimum: 0 }) }),
    strict({
      field: Type.String({ description: 'Of type time.' }),
      halfLifeDays: Type.Number({ exclusiveMinimum: 0 }),
      weight: Type.Number({ exclusiveMinimum: 0 }),
    }),
  ],
  {
    description:
      'Multiplies the scores of pins that pass a filter; or of fresh ones, by 1 + weight at age 0, where what it has ' +
      'over 1 halves with every half-life.',
  },
);
const AnyObject = Type.Object({}, { additionalProperties: true });
const Sources = Type.Record(Type.String(), orNull(AnyObject), {
  description:
    'Of the surface, by name: `quota` and parameters to change, a source to add (`source` is its kind), or null to ' +
    'leave it out.',
  examples: [{ seeds: { strategy: 'perSeed' } }],
});
/** What a request may change of its surface, and what experiments read of it. */
const surface = {
  unit: optional(
    Type.String({
      description: `Id of the user or session that experiments draw by, up to ${LIMITS.unitBytesMax} bytes; without one none reaches the request.`,
    }),
  ),
  variants: optional(
    Type.Record(Type.String(), Type.String(), {
      description: 'Arms by experiment, in place of what is drawn: for trying them out.',
    }),
  ),
  diversity: optional(
    orNull(
      strict(
        { lambda: optional(Type.Number({ description: 'From 0 (most diverse) to 1 (pure relevance).' })) },
        `Maximal marginal relevance, for k up to ${LIMITS.diversityKMax}; hits come in the order of selection.`,
      ),
    ),
  ),
  groupBy: optional(
    orNull(
      strict(
        { field: Type.String(), size: whole(1, LIMITS.kMax, 'Hits per value.') },
        'At most `size` hits that share a value of this attribute.',
      ),
    ),
  ),
  nearDuplicates: optional(
    orNull(
      strict(
        { similarity: Type.Number({ description: 'From 0 to 1, which is the same vector.' }) },
        'No hit is as similar as this to a seed or to a hit before it.',
      ),
    ),
  ),
  maxAge: optional(
    orNull(
      strict(
        {
          days: Type.Number({ exclusiveMinimum: 0 }),
          field: optional(
            Type.String({ description: 'Of type time; the first that the index declares when absent.' }),
          ),
        },
        'Only pins whose time is not longer ago.',
      ),
    ),
  ),
  boosts: optional(Type.Array(Type.Ref('Boost'), { description: "In place of the surface's." })),
  sources: optional(Type.Ref('Sources')),
};

const related = {
  pins: seeds('Seeds, at least one.'),
  negatives: optional(seeds('Pins to move away from.')),
  ...surface,
  ...common,
};

const person = {
  history: Type.Array(
    Type.Union([
      Type.Ref('PinId'),
      strict({
        id: Type.Ref('PinId'),
        weight: optional(Type.Number({ exclusiveMinimum: 0, default: 1 })),
        at: optional(
          Type.Union([Type.Number(), Type.String()], {
            description: 'When it was saved: epoch milliseconds or ISO 8601. What is old counts less.',
          }),
        ),
      }),
    ]),
    {
      maxItems: LIMITS.historyMax,
      description: 'Pins that were saved; those that the index does not have are skipped.',
    },
  ),
  seen: optional(
    Type.Union(
      [
        Type.Array(Type.Ref('PinId'), { maxItems: LIMITS.seenMax }),
        strict({
          bloom: strict({
            bits: Type.Unknown({ description: 'Base64; in msgpack also `bin` of a multiple of 4 bytes.' }),
            hashes: whole(1, LIMITS.bloomHashesMax, 'Bits of an id.'),
          }),
        }),
      ],
      {
        description:
          'Pins that must not be hits, as ids or as a Bloom filter: of m bits, those numbered (a + i b) mod m for i below ' +
          '`hashes`, with a and b the MurmurHash3 (x86, 32 bits) of the id with seeds 0 and 1; bit n is bit n mod 8, from ' +
          'the least, of byte n / 8.',
      },
    ),
  ),
  topics: optional(
    Type.Array(
      strict({
        name: optional(Type.String({ description: 'Its hits tell it in `source`.' })),
        vector: optional(Type.Ref('Vector')),
        text: optional(Type.String()),
        pin: optional(Type.Ref('PinId')),
        filter: optional(Type.Ref('Filter')),
        weight: optional(Type.Number({ exclusiveMinimum: 0, default: 1 })),
      }),
      {
        maxItems: LIMITS.topicsMax,
        description: 'What the person follows; give each exactly one of vector, text and pin.',
      },
    ),
  ),
};
const drawSeed = optional(
  whole(
    0,
    Number.MAX_SAFE_INTEGER,
    'Draws the interests that are asked for, where there are more; it follows from the unit when absent.',
  ),
);
const homefeed = { ...person, seed: drawSeed, ...surface, ...common };
const HomefeedRequest = strict(
  homefeed,
  'Pins for a person by what they saved; no pin of those, and none seen.',
);
const NotificationsRequest = strict(
  {
    users: Type.Array(Type.Ref('UserToNotify'), { maxItems: LIMITS.usersMax }),
    seed: drawSeed,
    ...surface,
    ...common,
  },
  'For each user the best pins that are fresh and unseen; none rather than a bad one.',
);
const UserToNotify = strict({
  user: Type.String(),
  max: optional(whole(1, LIMITS.kMax, 'Hits at most; `k` when absent.')),
  ...person,
});

const search = {
  text: optional(
    Type.String({ description: `1 to ${LIMITS.textCharsMax} characters; give either text or vector.` }),
  ),
  vector: optional(Type.Ref('Vector')),
  mode: optional(
    Type.Enum(['dense', 'lexical', 'hybrid'], {
      description:
        "By the text's vector, by its words, or by both; words need a text. As the surface says when absent, which is dense " +
        'where nobody says otherwise.',
    }),
  ),
  fusion: optional(
    strict(
      {
        method: optional(
          Type.Enum(['scores', 'ranks'], { description: 'By weighted scores, or by weights over ranks.' }),
        ),
        weights: optional(
          strict({
            dense: optional(Type.Number({ minimum: 0 })),
            lexical: optional(Type.Number({ minimum: 0 })),
          }),
        ),
        rankConstant: optional(Type.Number({ minimum: 0 })),
      },
      'How hybrid puts both together, where that is not to be as the surface says.',
    ),
  ),
  model,
  ...surface,
  ...common,
};

const QueryRequest = strict(query, 'The pins nearest to a vector.');
const RelatedRequest = strict(related, 'The pins nearest to other pins, which are never among the hits.');
const SearchRequest = strict(search, 'The pins that fit a text.');
const RecallRequest = strict(
  {
    samples: optional(whole(1, LIMITS.recallSamplesMax, 'Stored pins to query with; 100 when absent.')),
    k: optional(whole(1, LIMITS.kMax, '10 when absent.')),
    ef: optional(whole(1, LIMITS.efMax, "The index's default when absent.")),
    seed: optional(whole(0, Number.MAX_SAFE_INTEGER, 'Draws the sample; 1 when absent.')),
  },
  'Recall measured now, against exact search.',
);

const Attributes = Type.Record(
  Type.String(),
  Type.Union([Type.String(), Type.Number(), Type.Boolean(), Type.Array(Type.String())]),
  {
    description:
      'Values by name, of the types that the index declares. A time is epoch milliseconds or ISO 8601.',
  },
);
const ifSeq = optional(
  whole(0, Number.MAX_SAFE_INTEGER, 'Only if this update was the last to write the pin.'),
);
const PinWrite = strict(
  {
    id: Type.Ref('PinId'),
    vector: optional(Type.Ref('Vector')),
    text: optional(
      Type.String({ description: "Embedded with the index's model; give either text or vector." }),
    ),
    attributes: optional(Type.Ref('Attributes')),
    payload: optional(Type.Unknown({ description: 'Any JSON value; it comes back as it is.' })),
    ifSeq,
    ifAbsent: optional(Type.Boolean({ description: 'Only if there is no such pin.' })),
  },
  'With a vector or a text the whole pin; without, new attributes or a new payload for a pin that is there.',
);
const UpsertRequest = strict(
  {
    pins: Type.Array(Type.Ref('PinWrite'), { minItems: 1, maxItems: LIMITS.writePinsMax }),
    model,
  },
  'Pins to write, all or none.',
);
const DeleteRequest = strict(
  {
    ids: Type.Array(Type.Union([Type.Ref('PinId'), strict({ id: Type.Ref('PinId'), ifSeq })]), {
      minItems: 1,
      maxItems: LIMITS.writePinsMax,
    }),
  },
  'Pins to delete, all or none; an id that is unknown is no error.',
);
const CheckpointRequest = strict({}, 'Nothing; the body may be left out.');
const PublishRequest = strict({ generation: Type.String() }, 'The generation to serve.');
const AliasRequest = strict({ index: Type.String() }, 'The index that the alias is to stand for.');
const CreateRequest = Type.Object(
  {
    dim: whole(LIMITS.dimMin, LIMITS.dimMax, 'Dimensions of the vectors.'),
    metric: optional(
      Type.Enum(['cosine', 'dot', 'l2'], { description: 'How vectors are compared; cosine when absent.' }),
    ),
    shards: optional(whole(1, LIMITS.shardsMax, 'As few as hold the pins to come; 1 when absent.')),
    attributes: optional(
      Type.Record(Type.String(), Type.Enum(['keyword', 'keyword[]', 'number', 'bool', 'time']), {
        description: 'Types by name, of what is to be filtered by.',
      }),
    ),
    model: optional(
      Type.String({ description: 'Model for texts; or `name@revision` of what makes the vectors.' }),
    ),
    m: optional(whole(LIMITS.mMin, LIMITS.mMax, 'Links of a node; 16 when absent.')),
    efConstruction: optional(
      whole(1, LIMITS.efConstructionMax, 'Width of the search for a new node; 200 when absent.'),
    ),
    precision: optional(
      Type.Enum(['f32', 'i8', 'i8+f32', 'i8+i10', 'i8+i4'], {
        description:
          'The code that is searched, and what the best are rescored with; when absent i8+i10, or i8+i4 for 32 to 64 dimensions, which is for up to 64.',
      }),
    ),
    seed: optional(Type.Integer({ description: 'The same input and seed give the same bytes.' })),
  },
  { additionalProperties: false, description: 'Config of the index.' },
);

const QueryItem = strict({ op: Type.Literal('query'), ...query });
const RelatedItem = strict({ op: Type.Literal('related'), ...related });
const SearchItem = strict({ op: Type.Literal('search'), ...search });
const HomefeedItem = strict({ op: Type.Literal('homefeed'), ...homefeed });
const BatchItem = Type.Union(
  [Type.Ref('QueryItem'), Type.Ref('RelatedItem'), Type.Ref('SearchItem'), Type.Ref('HomefeedItem')],
  {
    discriminator: {
      propertyName: 'op',
      mapping: Object.fromEntries(
        (['Query', 'Related', 'Search', 'Homefeed'] as const).map((name) => [
          name.toLowerCase(),
          `#/components/schemas/${name}Item`,
        ]),
      ),
    },
  },
);
const BatchRequest = strict(
  { requests: Type.Array(Type.Ref('BatchItem'), { maxItems: LIMITS.batchRequestsMax }) },
  'Several requests, each answered or refused on its own.',
);

const AnswerVector = Type.Ref('Vector');
const Hit = strict({
  id: Type.String({ description: 'Of the pin.' }),
  score: Type.Number({
    description:
      'Larger is better: cosine similarity, dot product, or minus squared L2; of surfaces with their boosts.',
  }),
  source: optional(Type.String({ description: 'Of surfaces: the source that proposed it.' })),
  team: optional(
    Type.String({ description: 'Of interleaved answers: the arm that added it, which gets the click.' }),
  ),
  explain: optional(
    strict(
      {
        rank: Type.Integer({ description: 'Place among the candidates of its source, from 1.' }),
        sourceScore: Type.Number({ description: 'Score that the source gave it, before boosts.' }),
        boosts: Type.Array(Type.Number(), { description: 'Factor of each boost, in their order.' }),
      },
      'How it was ranked, if asked.',
    ),
  ),
  payload: optional(Type.Unknown({ description: 'If `include` asks; absent of a pin that has none.' })),
  attributes: optional(Type.Ref('Attributes')),
  vector: optional(AnswerVector),
});
const Coverage = strict(
  {
    shards: Type.Integer({ description: 'Shards of the index.' }),
    answered: Type.Integer({ description: 'Shards that searched to the end.' }),
    degraded: optional(
      Type.Enum(['deadline', 'shard_failed'], { description: 'Why not all did; absent when all did.' }),
    ),
  },
  'Whether the answer is of the whole index.',
);
const ShardPlan = strict(
  {
    plan: Type.Enum(['graph', 'two-hop', 'scan', 'none'], {
      description:
        'What gave the hits: the graph; the graph of the matching pins alone, by two hops; a comparison of all ' +
        'matching pins; or nothing, because the deadline had passed.',
    }),
    ef: Type.Integer({ description: 'Width searched with; 0 for a scan.' }),
    selectivity: optional(Type.Number({ description: 'Share of the pins that match, from a sample.' })),
    matching: optional(Type.Integer({ description: 'Pins that match, where the search needed to know.' })),
    mask: optional(
      Type.Enum(['cached', 'evaluated', 'none'], {
        description: 'Whether the mask of matching pins was there, had to be evaluated, or was not needed.',
      }),
    ),
    distances: optional(Type.Integer({ description: 'Distances computed.' })),
    hops: optional(Type.Integer({ description: 'Lists of links read.' })),
  },
  'How a shard was searched; what an engine cannot tell is absent.',
);
const Assigned = strict({
  experiment: Type.String(),
  arm: Type.String({ description: '`interleaved` where the hits of two arms are in one list.' }),
  forced: optional(Type.Literal(true, { description: "By the request's variants; not to be counted." })),
});
const nullableModel = Type.Union([Type.String(), Type.Null()], {
  description: '`name@revision` of the model that made the vectors; null when none was named.',
});
const retrievalAnswer = {
  hits: Type.Array(Type.Ref('Hit'), { description: 'In score order, ties by id; the best comes first.' }),
  tookMs: Type.Number({ description: 'Time in the server, without decoding and encoding.' }),
  ef: Type.Integer({ description: 'Width actually searched with; 0 for an exact scan.' }),
  generation: Type.String({ description: 'The generation that answered.' }),
  model: nullableModel,
  coverage: Type.Ref('Coverage'),
  exhausted: Type.Boolean({ description: 'Fewer than k pins match, and all of them are hits.' }),
  explain: optional(Type.Array(Type.Ref('ShardPlan'), { description: 'One for each shard, if asked.' })),
  experiments: optional(
    Type.Array(Type.Ref('Assigned'), { description: 'Experiments whose code path ran for the unit.' }),
  ),
};
const RetrievalAnswer = strict(retrievalAnswer);
const HomefeedAnswer = strict({
  ...retrievalAnswer,
  skipped: Type.Integer({ description: 'Pins of the history and of topics that the index does not have.' }),
});
const NotificationsAnswer = strict({
  users: Type.Array(
    Type.Union([
      strict({ user: Type.String(), ...retrievalAnswer, skipped: Type.Integer() }),
      strict({ user: Type.Union([Type.String(), Type.Null()]), problem: Type.Ref('Problem') }),
    ]),
    { description: 'One entry per user, in order.' },
  ),
});
const MultiAnswer = strict({ results: Type.Array(Type.Ref('RetrievalAnswer')) });
const QueryAnswer = Type.Union([Type.Ref('RetrievalAnswer'), Type.Ref('MultiAnswer')]);
const Problem = Type.Object(
  {
    type: Type.String({ format: 'uri-reference', description: 'Leads to the description of the code.' }),
    title: Type.String({ description: 'The same for every occurrence.' }),
    status: Type.Integer({ description: 'As in the status line.' }),
    code: Type.Enum(Object.keys(ERRORS), { description: 'Stable: to be switched on.' }),
    detail: Type.String({ description: 'What is wrong here.' }),
    errors: optional(
      Type.Array(Type.Object({ path: Type.String(), message: Type.String() }), {
        description: 'Each value that is wrong, `path` as in `pins[3].vector[7]`.',
      }),
    ),
  },
  { description: 'Problem details (RFC 9457); `code` is stable, the texts are for people.' },
);
const BatchAnswer = strict({
  answers: Type.Array(
    Type.Union([
      Type.Ref('RetrievalAnswer'),
      Type.Ref('HomefeedAnswer'),
      Type.Ref('MultiAnswer'),
      Type.Ref('Problem'),
    ]),
  ),
});
const RecallAnswer = strict({
  recall: Type.Number({ description: 'Share of the exact k nearest that the search found.' }),
  low: Type.Number({ description: 'Lower end of the 95 % confidence interval.' }),
  high: Type.Number({ description: 'Its upper end.' }),
  samples: Type.Integer({ description: 'Queries made.' }),
  k: Type.Integer(),
  ef: Type.Integer({ description: 'Width searched with.' }),
  generation: Type.String(),
});
const Pin = strict({
  id: Type.String(),
  seq: Type.Integer({ description: 'The update that wrote it last; 0 when that was the build.' }),
  attributes: optional(Type.Ref('Attributes')),
  payload: optional(Type.Unknown({ description: 'As it was written.' })),
  vector: optional(AnswerVector),
});
const seqOfUpdate = Type.Integer({ description: 'Number of the update; later ones have greater numbers.' });
const UpsertAnswer = strict({ seq: seqOfUpdate, upserted: Type.Integer({ description: 'Pins written.' }) });
const DeleteAnswer = strict({
  seq: seqOfUpdate,
  deleted: Type.Integer({ description: 'Pins that were there.' }),
});
const GenerationDescription = strict({
  generation: Type.String(),
  isCurrent: Type.Boolean(),
  seq: Type.Integer({ description: 'The last update that it holds.' }),
  count: Type.Integer(),
  model: nullableModel,
  bytes: Type.Integer(),
  canPublish: Type.Boolean({ description: 'Whether the updates after it are still kept.' }),
});
const GenerationList = strict({ generations: Type.Array(Type.Ref('GenerationDescription')) });
const Alias = strict({ alias: Type.String(), index: Type.String() });
const AliasList = strict({ aliases: Type.Array(Type.Ref('Alias')) });
const Removed = strict({ removed: Type.String() });
const LiveDescription = strict(
  {
    readOnly: Type.Union([Type.String(), Type.Null()], { description: 'Why writes are refused.' }),
    seqWritten: Type.Integer({ description: 'The last update that is on the disk.' }),
    seqSearchable: Type.Integer({ description: 'The last update that can be found.' }),
    lagMs: Type.Number({ description: 'How long the oldest update that cannot be found yet has waited.' }),
    waitingPins: Type.Integer(),
    lexical: optional(
      strict(
        {
          pins: Type.Integer({ description: 'Pins with words.' }),
          isReady: Type.Boolean({
            description: 'Whether they have been read; searches by words wait for it.',
          }),
        },
        'Search by words; absent when no pin ever had any.',
      ),
    ),
    logBase: Type.Integer({ description: 'Updates after this one are kept in the log.' }),
    fill: Type.Number({ description: 'How full the fullest shard is, from 0 to 1.' }),
    limitBytes: Type.Integer(),
    warnings: Type.Array(strict({ code: Type.String(), message: Type.String() })),
  },
  'How writing stands.',
);
const MixerDescription = strict(
  {
    experiments: Type.Array(Type.String()),
    shadows: Type.Array(Type.String()),
    problem: optional(
      strict({ code: Type.String(), message: Type.String() }, 'Why a newer one is not in force.'),
    ),
  },
  'What the mixer config that is in force has.',
);
const LiveRecall = strict(
  {
    ef: Type.Integer({ description: 'The greatest width of the searches that are put together here.' }),
    filtered: Type.Boolean(),
    recall: Type.Number(),
    low: Type.Number(),
    high: Type.Number(),
    samples: Type.Integer(),
  },
  'What live searches found of their true neighbours, with its 95 % confidence interval.',
);
const IndexDescription = strict({
  name: Type.String(),
  status: Type.Literal('ready'),
  engine: Type.String(),
  generation: Type.String(),
  seq: Type.Integer(),
  model: nullableModel,
  count: Type.Integer(),
  shards: Type.Array(strict({ count: Type.Integer(), bytes: Type.Integer() })),
  bytes: Type.Integer(),
  defaultEf: Type.Integer(),
  config: strict(
    {
      dim: Type.Integer(),
      metric: Type.Enum(['cosine', 'dot', 'l2']),
      shards: Type.Integer(),
      attributes: Type.Record(Type.String(), Type.String()),
      model: nullableModel,
      m: Type.Integer(),
      efConstruction: Type.Integer(),
      precision: Type.String(),
      seed: Type.Integer(),
    },
    'With every default filled in.',
  ),
  live: optional(Type.Ref('LiveDescription')),
  mixer: optional(Type.Ref('MixerDescription')),
  recall: optional(
    Type.Array(Type.Ref('LiveRecall'), {
      description: 'Of one index, where a share of live queries is replayed exactly.',
    }),
  ),
});
const UnavailableIndex = strict({
  name: Type.String(),
  status: Type.Enum(['loading', 'failed']),
  problem: Type.Ref('Problem'),
});
const IndexList = strict({
  indexes: Type.Array(Type.Union([Type.Ref('IndexDescription'), Type.Ref('UnavailableIndex')])),
});
const SurfaceList = strict(
  {
    surfaces: Type.Record(
      Type.String(),
      Type.Object(
        { sources: Type.Record(Type.String(), AnyObject) },
        { additionalProperties: true, description: 'As in a mixer config (docs/mixer.md).' },
      ),
    ),
  },
  'Every surface of the index as it is in force, by name.',
);
const Liveness = strict({ status: Type.Literal('live') });
const Readiness = strict(
  {
    status: Type.Literal('ready'),
    ready: Type.Array(Type.String()),
    failed: Type.Array(Type.Ref('UnavailableIndex')),
  },
  'The indexes that answer, and those that failed to load.',
);

/** Every named schema, as OpenAPI shows it. */
export const SCHEMAS = {
  Vector,
  PinId,
  Filter,
  Attributes,
  Boost,
  Sources,
  QueryRequest,
  RelatedRequest,
  SearchRequest,
  HomefeedRequest,
  UserToNotify,
  NotificationsRequest,
  RecallRequest,
  PinWrite,
  UpsertRequest,
  DeleteRequest,
  CheckpointRequest,
  PublishRequest,
  AliasRequest,
  CreateRequest,
  QueryItem,
  RelatedItem,
  SearchItem,
  HomefeedItem,
  BatchItem,
  BatchRequest,
  Hit,
  Coverage,
  ShardPlan,
  Assigned,
  RetrievalAnswer,
  HomefeedAnswer,
  NotificationsAnswer,
  MultiAnswer,
  QueryAnswer,
  Problem,
  BatchAnswer,
  RecallAnswer,
  Pin,
  UpsertAnswer,
  DeleteAnswer,
  GenerationDescription,
  GenerationList,
  Alias,
  AliasList,
  Removed,
  LiveDescription,
  MixerDescription,
  LiveRecall,
  IndexDescription,
  UnavailableIndex,
  IndexList,
  SurfaceList,
  Liveness,
  Readiness,
} as const satisfies Record<string, TSchema>;

export type SchemaName = keyof typeof SCHEMAS;

/**
 * The same as requests are checked by. What retrieval and the engine check anyway, with codes of their own, is
 * let through: vectors (walking them twice would cost), filters, boosts, sources, pin ids, the items of a batch, pins to write and configs.
 */
export const CHECKED = {
  ...SCHEMAS,
  Vector: Type.Unknown(),
  Filter: Type.Unknown(),
  Boost: Type.Unknown(),
  Sources: Type.Unknown(),
  PinId: Type.Unsafe<string>({ not: { type: 'object' } }),
  BatchItem: Type.Unknown(),
  PinWrite: Type.Unknown(),
  CreateRequest: Type.Unknown(),
};
