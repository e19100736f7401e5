/**
 * The schema of `POST /graphql`, in the schema definition language: the reads of the HTTP API with the same names, so that
 * what is known of one is known of the other. What REST asks for by `include` and `explain` follows here from the fields
 * that are selected; the rest of a request is one input object, which a client hands over as one variable.
 *
 * `docs/schema.graphql` is this text as GraphQL prints it; a test compares it with what is served.
 */
import { buildSchema, type GraphQLSchema } from 'graphql';
import { LIMITS } from '../../lib/limits.ts';
import { SCALARS } from './scalars.ts';

/** What every request may say. */
const COMMON = `
  "Hits wanted at most, 1 to ${LIMITS.kMax}: what there is to page through. 10 when absent, where the surface says nothing else."
  k: Int
  "Width of the search, 1 to ${LIMITS.efMax}; raised to what k needs. The index has its own default."
  ef: Int
  """
  Conditions on declared attributes: {"category": "lamps", "price": {"$lt": 50}}, with $eq $ne $in $nin $gt $gte $lt $lte
  $exists, $and $or $not. Names that begin with a dollar sign can be given in variables only.
  """
  filter: JSON
  "Compare with every matching pin."
  exact: Boolean
  "Only hits with at least this score."
  minScore: Float
  "Milliseconds after which a partial answer is better than a later one; coverage tells of it."
  deadlineMs: Float
  "Pins that must not be hits, up to ${LIMITS.excludeMax}."
  exclude: [ID!]
`;

const MODEL = `
  "name@revision of the model that made the vector; refused when the index has another."
  model: String
`;

/** What a request may change of its surface, and what experiments read of it. */
const SURFACE = `
  "Id of the user or session that experiments draw by, up to ${LIMITS.unitBytesMax} bytes; without one none reaches the request."
  unit: String
  "Arms by experiment, in place of what is drawn: for trying them out."
  variants: JSON
  "Hits that are less alike; null takes away what the surface has."
  diversity: DiversityInput
  "At most so many hits that share a value of an attribute; null takes away what the surface has."
  groupBy: GroupByInput
  "No hit as similar as this to a seed or to a hit before it; null allows copies."
  nearDuplicates: NearDuplicatesInput
  "Only pins whose time is not longer ago; null takes away what the surface has."
  maxAge: MaxAgeInput
  "In place of the surface's."
  boosts: [BoostInput!]
  "Of the surface, by name: quota and parameters to change, a source to add, or null to leave it out."
  sources: JSON
`;

/** What a person brings. */
const PERSON = `
  "Pins that were saved, up to ${LIMITS.historyMax}; those that the index does not have are skipped."
  history: [SavedPinInput!]!
  "Pins that must not be hits, up to ${LIMITS.seenMax}; give either this or seenBloom."
  seen: [ID!]
  "The same as a Bloom filter."
  seenBloom: BloomInput
  "What the person follows, up to ${LIMITS.topicsMax}."
  topics: [TopicInput!]
`;

const DRAW_SEED = `
  "Draws the interests that are asked for, where there are more; it follows from the unit when absent."
  seed: Long
`;

const PAGE = `
    "Hits of this page; all up to k when absent."
    first: Int
    "The cursor after which the page begins; of the same request."
    after: String
`;

const SDL = `
"Any JSON value."
scalar JSON

"""
As many numbers as the index has dimensions: a list of them, or base64 of 32-bit floats, little-endian. It is given as a
variable only: a vector that is written into a document is refused.
"""
scalar Vector

"A whole number of up to 53 bits."
scalar Long

"A moment: epoch milliseconds, or ISO 8601."
scalar Timestamp

"What has an id of its own, by which it is found again."
interface Node {
  "Unique over everything that this server has."
  id: ID!
}

"The questions. There are no mutations: pins are written over REST."
type Query {
  "A pin or an index by its id; null when there is none."
  node(id: ID!): Node
  "The same for several, up to ${LIMITS.readPinsMax}, in order."
  nodes(ids: [ID!]!): [Node]
  "All indexes that the caller may read, with those that do not answer and why."
  indexes: [Index!]!
  "One index, by its name or an alias."
  index(name: String!): Index
  "One pin; refused with unknown_pin when there is none."
  pin(index: String!, id: ID!): Pin
  "Up to ${LIMITS.readPinsMax} pins, in order; null for one that is not there."
  pins(index: String!, ids: [ID!]!): [Pin]
  "The pins nearest to a vector."
  query(
    index: String!
    request: QueryRequest!
${PAGE}  ): HitConnection
  "The pins nearest to each of several vectors, up to ${LIMITS.queryVectorsMax}, in order; one page each."
  queries(index: String!, request: QueriesRequest!): [HitConnection!]
  "The pins nearest to other pins, which are never among the hits."
  related(
    index: String!
    request: RelatedRequest!
${PAGE}  ): HitConnection
  "The pins that fit a text."
  search(
    index: String!
    request: SearchRequest!
${PAGE}  ): HitConnection
  "Pins for a person, by what they saved and follow; none of those, and none seen."
  homefeed(
    index: String!
    request: HomefeedRequest!
${PAGE}  ): HitConnection
  "For each of many persons the best pins that are fresh and unseen, one page each; none rather than a bad one."
  notifications(index: String!, request: NotificationsRequest!): [NotifiedUser!]
}

"The pins nearest to a vector."
input QueryRequest {
  "What to be near to."
  vector: Vector!
${MODEL}${COMMON}}

"The pins nearest to each of several vectors."
input QueriesRequest {
  "Each has its own hits."
  vectors: [Vector!]!
${MODEL}${COMMON}}

"The pins nearest to other pins."
input RelatedRequest {
  "Seeds, 1 to ${LIMITS.seedsMax}."
  pins: [SeedInput!]!
  "Pins to move away from, up to ${LIMITS.seedsMax}."
  negatives: [SeedInput!]
${SURFACE}${COMMON}}

"The pins nearest to the pin that this is asked of."
input RelatedToPinRequest {
  "Pins to move away from, up to ${LIMITS.seedsMax}."
  negatives: [SeedInput!]
${SURFACE}${COMMON}}

"The pins that fit a text, or a vector that was made of one."
input SearchRequest {
  "1 to ${LIMITS.textCharsMax} characters; give either text or vector."
  text: String
  "Made by the index's own model."
  vector: Vector
  "By the text's vector (when absent), by its words, or by both; words need a text."
  mode: SearchMode
  "How hybrid puts both together; what is absent is as the surface says."
  fusion: FusionInput
${MODEL}${SURFACE}${COMMON}}

"Pins for a person."
input HomefeedRequest {
${PERSON}${DRAW_SEED}${SURFACE}${COMMON}}

"Pins for many persons."
input NotificationsRequest {
  "Up to ${LIMITS.usersMax}; each is answered, or refused, on their own."
  users: [UserInput!]!
${DRAW_SEED}${SURFACE}${COMMON}}

"One of many persons."
input UserInput {
  "Name of the user; experiments draw by it."
  user: String!
  "Hits at most; k when absent."
  max: Int
${PERSON}}

"A pin that a request names."
input SeedInput {
  "Its id in the index."
  id: ID!
  "Over 0; 1 when absent."
  weight: Float
}

"A pin that a person saved."
input SavedPinInput {
  "Its id in the index."
  id: ID!
  "Over 0; 1 when absent."
  weight: Float
  "When: what is old counts less."
  at: Timestamp
}

"""
Ids as a Bloom filter: of m bits, those numbered (a + i b) mod m for i below hashes, with a and b the MurmurHash3 (x86, 32 bits)
of the id with seeds 0 and 1; bit n is bit n mod 8, from the least, of byte n / 8.
"""
input BloomInput {
  "Base64 of a multiple of 4 bytes, up to ${LIMITS.bloomBytesMax}."
  bits: String!
  "Bits of an id, 1 to ${LIMITS.bloomHashesMax}."
  hashes: Int!
}

"Something that a person follows; give exactly one of vector, text and pin."
input TopicInput {
  "Its hits tell it in source."
  name: String
  "What to be near to."
  vector: Vector
  "What to be about."
  text: String
  "A pin to be like."
  pin: ID
  "Conditions on the hits of this topic."
  filter: JSON
  "Over 0; 1 when absent."
  weight: Float
}

"Maximal marginal relevance, for k up to ${LIMITS.diversityKMax}; hits come in the order of selection."
input DiversityInput {
  "From 0 (most diverse) to 1 (relevance only)."
  lambda: Float
}

"At most size hits that share a value of an attribute."
input GroupByInput {
  "The attribute."
  field: String!
  "Hits per value, 1 to ${LIMITS.kMax}."
  size: Int!
}

"How alike is too alike."
input NearDuplicatesInput {
  "From 0 to 1, which is the same vector."
  similarity: Float!
}

"How old is too old."
input MaxAgeInput {
  "Age in days, over 0."
  days: Float!
  "An attribute of type time; the first that the index declares when absent."
  field: String
}

"""
Multiplies scores: of pins that pass filter by factor; or of fresh ones, by 1 + weight at age 0, where what that has over 1
halves with every half-life. Give the fields of one kind.
"""
input BoostInput {
  "Which pins."
  filter: JSON
  "By how much, over 0."
  factor: Float
  "An attribute of type time."
  field: String
  "Days, over 0."
  halfLifeDays: Float
  "Over 0."
  weight: Float
}

"How hybrid search puts both lists together."
input FusionInput {
  "By weighted scores, or by weights over ranks."
  method: FusionMethod
  "How much each list counts."
  weights: FusionWeightsInput
  "What is added to ranks; larger lets later hits count more."
  rankConstant: Float
}

"How much each list counts, from 0."
input FusionWeightsInput {
  "What the vector finds."
  dense: Float
  "What the words find."
  lexical: Float
}

"How pins are found for a text."
enum SearchMode {
  "By its vector."
  dense
  "By its words."
  lexical
  "By both."
  hybrid
}

"How two lists become one."
enum FusionMethod {
  "By weighted scores."
  scores
  "By weights over ranks."
  ranks
}

"Whether an index answers."
enum IndexStatus {
  "It answers."
  ready
  "Not yet."
  loading
  "It could not be loaded."
  failed
}

"What is near to what."
enum Metric {
  "Angle."
  cosine
  "Dot product."
  dot
  "Euclidean distance."
  l2
}

"Why an answer is partial."
enum Degradation {
  "Its deadline passed."
  deadline
  "A shard failed."
  shard_failed
}

"How a vector is written."
enum VectorFormat {
  "A list of numbers."
  floats
  "Base64 of 32-bit floats, little-endian."
  base64
}

"An index. What only one that answers can tell is null for the others."
type Index implements Node {
  "Unique over everything that this server has."
  id: ID!
  "By which requests name it."
  name: String!
  "Whether it answers."
  status: IndexStatus!
  "Why it does not."
  problem: Problem
  "What searches."
  engine: String
  "The generation that is served."
  generation: String
  "Number of the last update that can be found."
  seq: Long
  "name@revision of the model that made the vectors; null when they came without a name."
  model: String
  "Pins."
  count: Long
  "The parts that it is searched in."
  shards: [Shard!]
  "Memory of its shards."
  bytes: Long
  "Width of the search where a request has none."
  defaultEf: Int
  "How it was made."
  config: IndexConfig
  "How writing stands; null when it takes no writes."
  live: LiveState
  "What its mixer config has; null when there is none."
  mixer: MixerState
  "Every surface as it is in force, by name."
  surfaces: JSON
}

"One graph in one shared memory."
type Shard {
  "Its pins."
  count: Long!
  "Its memory."
  bytes: Long!
}

"How an index was made."
type IndexConfig {
  "Dimensions of the vectors."
  dim: Int!
  "What is near to what."
  metric: Metric!
  "Parts."
  shards: Int!
  "Types of attributes, by name."
  attributes: JSON!
  "name@revision of the model that made the vectors."
  model: String
  "Links of a node."
  m: Int!
  "Width of the search for neighbours while it was built."
  efConstruction: Int!
  "How vectors are held."
  precision: String!
  "Of all that is drawn while it is built."
  seed: Long!
}

"How writing stands."
type LiveState {
  "Why writes are refused; null when they are taken."
  readOnly: String
  "The last update that is on the disk."
  seqWritten: Long!
  "The last update that can be found."
  seqSearchable: Long!
  "How long the oldest update that cannot be found yet has waited."
  lagMs: Float!
  "Pins in writes that wait."
  waitingPins: Int!
  "Search by words; null when no pin ever had any."
  lexical: LexicalState
  "Updates after this one are kept in the log."
  logBase: Long!
  "How full the fullest shard is, from 0 to 1."
  fill: Float!
  "What a shard may take."
  limitBytes: Long!
  "What those who run the index should know."
  warnings: [Notice!]!
}

"How search by words stands."
type LexicalState {
  "Pins with words."
  pins: Long!
  "Whether they have been read; searches by words wait for it."
  isReady: Boolean!
}

"A code with a sentence."
type Notice {
  "Stable."
  code: String!
  "For people."
  message: String!
}

"What the mixer config that is in force has."
type MixerState {
  "Names of experiments."
  experiments: [String!]!
  "Names of shadows."
  shadows: [String!]!
  "Why a newer config is not in force."
  problem: Notice
}

"A refusal, as REST tells it."
type Problem {
  "Stable: what programs switch on."
  code: String!
  "Status that REST answers with."
  status: Int!
  "The same for every occurrence."
  title: String!
  "What is wrong here."
  detail: String!
  "The places in the request that are wrong."
  errors: [ProblemPlace!]
}

"A place in a request that is wrong."
type ProblemPlace {
  "As in pins[3].weight."
  path: String!
  "What is wrong with it."
  message: String!
}

"A pin. Its parts are read only where they are selected, for all pins of a level together."
type Pin implements Node {
  "Unique over everything that this server has: not the id that requests name the pin by."
  id: ID!
  "Its id in the index, by which requests name it."
  pinId: String!
  "The index, by the name that it was asked by."
  index: String!
  "Number of the update that wrote it last; null when it was deleted since."
  seq: Long
  "Its attributes, by name; null when it was deleted since."
  attributes: JSON
  "What it carries; null when it has none."
  payload: JSON
  "Its vector, of unit length under cosine; null when it was deleted since."
  vector(
    "How to write it."
    as: VectorFormat = floats
  ): Vector
  "The pins nearest to this one, in the same generation of the index."
  related(
    request: RelatedToPinRequest
${PAGE}  ): HitConnection
}

"Hits, with what is to be said of all of them. In score order, ties by id; of diverse and mixed lists in the order of selection."
type HitConnection {
  "The hits of this page."
  edges: [HitEdge!]!
  "What lies before and behind."
  pageInfo: PageInfo!
  "Milliseconds that it took."
  tookMs: Float!
  "Width actually searched with; 0 when every matching pin was compared."
  ef: Int!
  "The generation that answered."
  generation: String!
  """
  Another generation has taken over since the page before. The page goes on with the best of that one, without what was
  shown: nothing comes twice.
  """
  generationChanged: Boolean!
  "name@revision of the model that made the vectors."
  model: String
  "Which shards answered."
  coverage: Coverage!
  "Fewer than k pins match, and all of them are hits."
  exhausted: Boolean!
  "How each shard was searched, in their order."
  explain: [ShardPlan!]
  "Experiments whose code path ran for the unit; null when there was none."
  experiments: [Assigned!]
  "Of Homefeed and Notifications: pins of the history and of topics that the index does not have."
  skipped: Int
}

"A hit: a pin with its place in the answer."
type HitEdge {
  "After it the next page begins."
  cursor: String!
  "The pin."
  node: Pin!
  "Larger is better: cosine similarity, dot product, or minus squared L2; of surfaces with their boosts."
  score: Float!
  "Of surfaces: the source that proposed it."
  source: String
  "Of interleaved answers: the arm that added it, which gets the click."
  team: String
  "Of surfaces: how it was ranked."
  explain: HitExplanation
}

"What lies before and behind a page."
type PageInfo {
  "Whether there is another page after this one."
  hasNextPage: Boolean!
  "Whether there was one before. Pages are turned forward only."
  hasPreviousPage: Boolean!
  "Cursor of the first hit; null on an empty page."
  startCursor: String
  "Cursor of the last hit; null on an empty page."
  endCursor: String
}

"Which shards answered."
type Coverage {
  "Shards of the index."
  shards: Int!
  "Shards that searched to the end."
  answered: Int!
  "Why not all did."
  degraded: Degradation
}

"How one shard was searched; what an engine cannot tell is null."
type ShardPlan {
  "What gave the hits: graph, two-hop (the graph of the matching pins alone), scan (all matching pins), or none."
  plan: String!
  "Width searched with; 0 for a scan."
  ef: Int!
  "Share of the pins that match, from a sample."
  selectivity: Float
  "Pins that match, where the search needed to know."
  matching: Int
  "Whether the mask of matching pins was there (cached), had to be evaluated, or was not needed (none)."
  mask: String
  "Distances computed."
  distances: Int
  "Lists of links read."
  hops: Int
}

"How a surface came to rank a hit."
type HitExplanation {
  "Place among the candidates of its source, from 1."
  rank: Int!
  "Score that the source gave it, before boosts."
  sourceScore: Float!
  "Factor of each boost, in their order."
  boosts: [Float!]!
}

"An experiment whose code path ran."
type Assigned {
  "Its name."
  experiment: String!
  "What was drawn; interleaved where the hits of two arms are in one list."
  arm: String!
  "By the request's variants; not to be counted."
  forced: Boolean
}

"One person's hits, or what their part of the request says wrong."
type NotifiedUser {
  "Name of the user; null when the request did not give one."
  user: String
  "Null where there is a problem."
  hits: HitConnection
  "Null where there are hits."
  problem: Problem
}
`;

/** The schema with its scalars, made anew for each server: resolvers are set on it. */
export function createSchema(): GraphQLSchema {
  const schema = buildSchema(SDL);
  for (const [name, scalar] of Object.entries(SCALARS)) Object.assign(schema.getType(name)!, scalar);
  return schema;
}
