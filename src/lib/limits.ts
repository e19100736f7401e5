/** Every limit on what a caller may ask for, in one place; the README's table of limits quotes them. */
export const LIMITS = {
  dimMin: 2,
  dimMax: 4096,
  /** Dimensions of vectors that may be held as `i8+i4`, whose basis has a direction for each. */
  i4DimMax: 64,
  /** Dimensions of vectors that are made from interactions. */
  trainDimMax: 1024,
  mMin: 4,
  mMax: 64,
  efConstructionMax: 2000,
  modelNameBytesMax: 256,
  pinIdBytesMax: 128,
  kMax: 1000,
  /** Hits that one search of an engine can rank, those that are then excluded among them. */
  candidatesMax: 2048,
  diversityKMax: 100,
  efMax: 4096,
  seedsMax: 100,
  excludeMax: 1000,
  /** Pins of a person's history. */
  historyMax: 1000,
  /** Of a seed, a pin in a history, or a topic. */
  weightMax: 1e9,
  topicsMax: 32,
  topicNameCharsMax: 64,
  /** Users of one request for notifications. */
  usersMax: 100,
  seenMax: 10_000,
  bloomBytesMax: 65_536,
  bloomHashesMax: 32,
  queryVectorsMax: 100,
  batchRequestsMax: 100,
  filterDepthMax: 16,
  filterNodesMax: 256,
  filterValuesMax: 4096,
  textCharsMax: 8192,
  attributesMax: 64,
  attributeNameBytesMax: 128,
  keywordBytesMax: 512,
  keywordListMax: 256,
  payloadBytesMax: 65_536,
  payloadDepthMax: 32,
  pinLineBytesMax: 4 * 1024 * 1024,
  shardsMax: 64,
  readersMax: 64,
  /** Pins that are read by their ids at once. */
  readPinsMax: 1000,
  /** Pins of one write. */
  writePinsMax: 1000,
  /** Pins of writes that wait for their turn. */
  waitingPinsMax: 4096,
  /** Of the queries that wait for a search thread. */
  waitingSearchBytesMax: 256 * 1024 * 1024,
  recallSamplesMax: 1000,
  surfaceFallbackMax: 9,
  surfaceSourcesMax: 16,
  surfaceQuotaMax: 1000,
  surfaceBoostsMax: 16,
  /** Of boosts; the least is one divided by it. */
  surfaceFactorMax: 100,
  surfaceHalfLifeDaysMax: 36_500,
  /** Of a user's or a session's id, by which experiments draw. */
  unitBytesMax: 256,
  layersMax: 32,
  layerParametersMax: 64,
  /** Experiments of a layer, and shadows of an index. */
  experimentsMax: 100,
  armsMax: 16,
  bodyBytesDefault: 8 * 1024 * 1024,
  msgpackDepthMax: 64,
  /** Of a GraphQL document: its text, what it is parsed into, and how far that is nested. */
  graphqlDocumentBytesMax: 16_384,
  graphqlTokensMax: 4000,
  graphqlFieldsMax: 500,
  graphqlDirectivesMax: 50,
  graphqlNestingMax: 64,
  /** Of a GraphQL operation: as many questions as a batch has, how deep fields lie, and what all of it may cost. */
  graphqlRootFieldsMax: 100,
  graphqlDepthMax: 12,
  graphqlCostMax: 50_000,
} as const;
