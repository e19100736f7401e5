/** A server with GraphQL over the brute-force engine, and questions to it. */
import type { TestContext } from 'node:test';
import type { Engine } from '../../src/engines/engine.ts';
import { parseMixerConfig } from '../../src/retrieval/mixer-config.ts';
import type { ServerOptions } from '../../src/server/server.ts';
import { catalogOf, type Exchange, postJson, ready, serve } from './http.ts';
import { type MemoryEngine, memoryEngine } from './memory-engine.ts';
import { ATTRIBUTES, somePins, wordModel } from './pins.ts';

export const DIM = 8;
export const PINS = somePins(60, DIM, 3);
export const MODEL = 'words@1';

export const newEngine = (more: object = {}): MemoryEngine =>
  memoryEngine({ dim: DIM, attributes: ATTRIBUTES, pins: PINS, model: MODEL, ...more });

export interface Started {
  readonly url: string;
  /** Asks GraphQL. */
  readonly ask: (query: string, variables?: object, more?: object) => Promise<Exchange>;
  /** Asks REST. */
  readonly rest: (op: string, request: object) => Promise<Exchange>;
}

/** Serves the index `demo` until the test ends. */
export async function start(
  t: TestContext,
  {
    engine = newEngine(),
    mixer,
    ...options
  }: Partial<Omit<ServerOptions, 'catalog' | 'clock'>> & { engine?: Engine; mixer?: object } = {},
): Promise<Started> {
  const index = {
    name: 'demo',
    engine,
    model: MODEL,
    embed: wordModel(DIM),
    ...(mixer && { mixer: parseMixerConfig(mixer, engine.config) }),
  };
  const { app, url } = await serve({
    catalog: catalogOf([ready(index), { name: 'late', status: 'loading' }]),
    graphql: { introspection: true },
    ...options,
  });
  t.after(() => app.close());
  return {
    url,
    ask: (query, variables, more) => postJson(`${url}/graphql`, { query, variables, ...more }),
    rest: (op, request) => postJson(`${url}/v1/indexes/demo/${op}`, request),
  };
}

/** The engine, with its calls of `pins` noted: ids of each. */
export function noting(engine: Engine): { engine: Engine; reads: string[][] } {
  const reads: string[][] = [];
  return {
    reads,
    engine: {
      ...engine,
      pins: (ids, parts) => {
        reads.push([...ids]);
        return engine.pins(ids, parts);
      },
    },
  };
}

/** The codes of the errors of an answer. */
export const codesOf = ({ body }: Exchange): string[] =>
  (body.errors ?? []).map(({ extensions }: { extensions: { code: string } }) => extensions.code);
