/** `nearpin eval`: what a surface's hits are worth over a file of cases, held against baselines. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { describeEnvironment } from '../../../bench/report/environment.ts';
import { type EvaluationReport, evaluationTables } from '../../../bench/report/evaluation.ts';
import { evaluationPage } from '../../../bench/report/evaluation-page.ts';
import { formatTable } from '../../../bench/report/text.ts';
import { createClient } from '../../client/client.ts';
import { type EvaluationCase, parseCase, type RequestBody } from '../../evaluation/case.ts';
import { evaluate } from '../../evaluation/evaluate.ts';
import { Interactions } from '../../evaluation/interactions.ts';
import { type Answering, SURFACES, type Surface, type SurfaceName } from '../../evaluation/surfaces.ts';
import {
  itemKnnSystem,
  popularitySystem,
  randomSystem,
  type System,
  surfaceSystem,
} from '../../evaluation/systems.ts';
import { keepUnitVectors } from '../../evaluation/vectors.ts';
import { isRecord } from '../../index/shape.ts';
import { NearpinError } from '../../lib/errors.ts';
import { LIMITS } from '../../lib/limits.ts';
import { openIndex } from '../../library/library.ts';
import type { IndexDescription } from '../../retrieval/contract.ts';
import { readChunks } from '../../storage/byte-source.ts';
import { readJsonLines } from '../../storage/formats/json-lines.ts';
import { readInteractions } from '../../storage/interactions.ts';
import { interruptible } from '../interruptible.ts';
import { readMixerFile } from '../mixer-file.ts';
import { jsonOption, keyOption, option, type ServingOptions, servingOptions, whole } from '../options.ts';
import { type Terminal, withCommas } from '../terminal.ts';
import { remoteIndex } from './remote-index.ts';
import { checkExposures } from './sample-ratio.ts';

interface EvalCommandOptions extends ServingOptions {
  readonly exposures?: string;
  readonly surface?: SurfaceName;
  readonly cases?: string;
  readonly k: readonly number[];
  readonly baselines?: readonly string[];
  readonly variant: readonly Variant[];
  readonly interactions?: string;
  readonly url?: string;
  readonly key?: string;
  readonly out?: string;
  readonly seed: number;
  readonly json: boolean;
}

/** With what an evaluation cannot do without. */
interface SurfaceOptions extends EvalCommandOptions {
  readonly surface: SurfaceName;
  readonly cases: string;
}

interface Variant {
  readonly name: string;
  readonly fields: RequestBody;
}

/** An exact search of a large index takes its time. */
const TIMEOUT_MS = 60_000;
const VECTOR_BYTES_MAX = 256 * 1024 * 1024;
const KS_MAX = 10;
/** The baseline that goes by words alone. */
const BM25 = 'bm25';

const HELP = `
Each line of the cases is {"request": {…}, "relevant": ["id", …] or {"id": grade, …}, "user": "…"}: the body of a
request to the surface, and what a good answer has. A line of interactions is a user, then pin ids, between spaces.

Examples:
  nearpin eval indexes/pins --surface related --cases cases.jsonl --interactions saves.txt --k 10,20 \\
    --variant 'diverse={"diversity": {"lambda": 0.7}}' --out evaluation
  nearpin eval indexes/pins --exposures exposures.jsonl`;

export function evalCommand(terminal: Terminal): Command {
  const command = new Command('eval')
    .argument('<index>', 'directory of the index; with --url, its name')
    .addOption(option('--surface <name>', 'what is asked').choices(Object.keys(SURFACES)))
    .addOption(option('--cases <file>', 'cases, as JSON lines; may be .gz'))
    .addOption(option('--k <list>', 'lengths of the lists to measure').argParser(ks).default([10], '10'))
    .addOption(
      option(
        '--baselines <names>',
        'of exact, bm25, popularity, item-knn, random (default: all of those but random that the surface and the ' +
          'input allow)',
      ).argParser((text) => text.split(',').map((word) => word.trim())),
    )
    .addOption(
      option('--variant <name=json>', 'also compare with the surface under these fields; may be repeated')
        .argParser(variant)
        .default([], 'none'),
    )
    .addOption(option('--interactions <file>', 'who saved what: for popularity, item-knn and novelty'))
    .addOption(option('--url <url>', 'ask the server there'))
    .addOption(keyOption())
    .addOption(option('--out <dir>', 'folder for results.json and report.html'))
    .addOption(
      option(
        '--exposures <file>',
        "check that the arms of the index's experiments have the units that their shares say; may be .gz",
      ).conflicts(['surface', 'cases', 'url']),
    )
    .addOption(option('--seed <n>', 'of the intervals').argParser(whole(0, 0xffffffff)).default(1));
  for (const each of [...servingOptions(), jsonOption()]) command.addOption(each);
  return command.addHelpText('after', HELP).action(async (index: string, options: EvalCommandOptions) => {
    const { exposures, surface, cases } = options;
    if (exposures !== undefined) {
      await interruptible('nothing was written', (signal) =>
        checkExposures(index, exposures, options.json, terminal, signal),
      );
    } else if (surface !== undefined && cases !== undefined) {
      await interruptible('nothing was written', (signal) =>
        runEval(index, { ...options, surface, cases }, terminal, signal),
      );
    } else {
      command.error('error: give --surface and --cases, or --exposures', { exitCode: 2 });
    }
  });
}

function ks(text: string): number[] {
  const values = text.split(',').map(whole(1, LIMITS.kMax));
  if (values.length > KS_MAX) throw new InvalidArgumentError(`At most ${KS_MAX} of them.`);
  return [...new Set(values)].sort((a, b) => a - b);
}

function variant(text: string, before: readonly Variant[]): Variant[] {
  const [, name, json] = /^([\w.-]+)=(.*)$/s.exec(text) ?? [];
  try {
    const fields: unknown = JSON.parse(json!);
    if (isRecord(fields)) return [...before, { name: name!, fields }];
  } catch {
    // What it has to be is said below
  }
  throw new InvalidArgumentError('It must be a name, =, and a JSON object of fields of the request.');
}

/** What an evaluation needs of an index, here or at a server. */
interface Target extends Answering {
  describe(): Promise<IndexDescription>;
  vector(id: string): Promise<Float32Array | undefined>;
  has(id: string): Promise<boolean>;
  readonly sample?: (count: number, seed: number) => Promise<string[]>;
}

/** What a promise gives; undefined when it fails because there is no such pin. */
async function ifKnown<Value>(promise: Promise<Value>): Promise<Value | undefined> {
  try {
    return await promise;
  } catch (error) {
    if ((error as { code?: unknown }).code === 'unknown_pin') return undefined;
    throw error;
  }
}

async function onIndex<Result>(
  index: string,
  options: EvalCommandOptions,
  run: (target: Target) => Promise<Result>,
): Promise<Result> {
  const { url, key } = options;
  if (url !== undefined) {
    const client = createClient({ url, key, timeoutMs: TIMEOUT_MS });
    const name = basename(resolve(index));
    return run({
      ...remoteIndex(client, name),
      describe: () => client.index(name),
      vector: async (id) => (await ifKnown(client.pin(name, id, { include: ['vector'] })))?.vector,
      has: async (id) => (await ifKnown(client.pin(name, id))) !== undefined,
    });
  }
  const mixer = await readMixerFile(index);
  const opened = await openIndex(index, { ...options, readOnly: true, mixer });
  try {
    return await run({
      query: (request) => opened.query(request),
      related: (request) => opened.related(request),
      search: (request) => opened.search(request),
      homefeed: (request) => opened.homefeed(request),
      notifications: (request) => opened.notifications(request),
      describe: async () => opened.describe(),
      vector: async (id) => (await ifKnown(opened.pin(id, { vector: true })))?.vector,
      has: async (id) => (await ifKnown(opened.pin(id))) !== undefined,
      sample: (count, seed) => opened.sample(count, seed),
    });
  } finally {
    await opened.close();
  }
}

async function* readCases(file: string): AsyncGenerator<EvaluationCase> {
  for await (const row of readJsonLines(readChunks(file), file, undefined, 'bad_case')) {
    if ('error' in row) throw row.error;
    yield parseCase(row.value, `${file}:${row.row}`);
  }
}

/** The surface, then what it is compared with. */
function systemsOf(
  surface: Surface,
  target: Target,
  options: SurfaceOptions,
  interactions: Interactions | undefined,
  hasWords: boolean,
): System[] {
  const makers: Record<string, () => System> = {};
  /** Why baselines that are known cannot be made. */
  const needs: Record<string, string> = {};
  for (const [name, fields] of Object.entries(surface.variants)) {
    if (name === BM25 && !hasWords) needs[name] = 'pins with words';
    else makers[name] = () => surfaceSystem(name, surface, target, fields);
  }
  if (interactions !== undefined) {
    makers.popularity = () => popularitySystem(surface, interactions);
    if (surface.history !== undefined) makers['item-knn'] = () => itemKnnSystem(surface, interactions);
  } else {
    needs.popularity = needs['item-knn'] = '--interactions';
  }
  const wanted = options.baselines ?? Object.keys(makers);
  const { sample } = target;
  if (sample !== undefined) makers.random = () => randomSystem(surface, sample, options.seed);
  const baselines = wanted.map((name) => {
    const make = makers[name];
    if (make !== undefined) return make();
    const why = Object.hasOwn(needs, name)
      ? `needs ${needs[name]}`
      : `is not one of ${Object.keys(makers).join(', ')}`;
    throw new NearpinError('bad_request', `--baselines: ${name} ${why}`);
  });
  const variants = options.variant.map(({ name, fields }) => surfaceSystem(name, surface, target, fields));
  const systems = [surfaceSystem(options.surface, surface, target), ...baselines, ...variants];
  const names = systems.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined) throw new NearpinError('bad_request', `there is more than one ${twice}`);
  return systems;
}

async function runEval(
  index: string,
  options: SurfaceOptions,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<void> {
  const { out } = options;
  const report = await onIndex(index, options, (target) => evaluateOn(target, options, terminal, signal));
  terminal.clear();
  if (out !== undefined) {
    mkdirSync(out, { recursive: true });
    writeFileSync(join(out, 'results.json'), `${JSON.stringify(report, null, 2)}\n`);
    writeFileSync(join(out, 'report.html'), evaluationPage(report));
  }
  if (options.json) terminal.print(JSON.stringify(report));
  else terminal.print(evaluationTables(report).map(formatTable).join('\n\n'));
  if (out !== undefined) terminal.note(`${join(out, 'results.json')} and report.html are written`);
}

async function evaluateOn(
  target: Target,
  options: SurfaceOptions,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<EvaluationReport> {
  const surface = SURFACES[options.surface];
  const startedAt = new Date();
  // All are looked at before the first is asked, so that a bad one is not found at the end of an hour
  let total = 0;
  for await (const _ of readCases(options.cases)) total++;

  let interactions: Interactions | undefined;
  if (options.interactions !== undefined) {
    const { interactions: file } = options;
    interactions = await Interactions.read(pinsOf(file, terminal, signal), target.has);
    const { missing } = interactions;
    if (missing > 0)
      terminal.note(`pins of the interactions that the index does not have: ${withCommas(missing)}`);
  }
  const { name, generation, model, count, engine, config, live } = await target.describe();
  const hasWords = live?.lexical !== undefined;
  const systems = systemsOf(surface, target, options, interactions, hasWords);
  if (options.baselines === undefined && BM25 in surface.variants && !hasWords)
    terminal.note(`${BM25} is left out: no pin of the index has words`);
  terminal.note(`${withCommas(total)} cases for ${systems.map((system) => system.name).join(', ')}`);
  const evaluation = await evaluate(readCases(options.cases), systems, {
    ks: options.k,
    seed: options.seed,
    catalogue: count,
    unitVector: keepUnitVectors(target.vector, VECTOR_BYTES_MAX),
    selfInformation: interactions && ((id) => interactions.selfInformation(id)),
    signal,
    onProgress: (done) => terminal.progress('cases', done, total),
  });
  const { nearpin, commit, node } = describeEnvironment();
  return {
    surface: options.surface,
    index: { name, generation, model, count, engine, metric: config.metric, dim: config.dim },
    input: {
      cases: basename(options.cases),
      interactions: options.interactions === undefined ? null : basename(options.interactions),
      variants: Object.fromEntries(options.variant.map(({ name, fields }) => [name, fields])),
    },
    startedAt: startedAt.toISOString(),
    tookS: (Date.now() - startedAt.getTime()) / 1000,
    nearpin,
    commit,
    node,
    evaluation,
  };
}

async function* pinsOf(
  file: string,
  terminal: Terminal,
  signal: AbortSignal,
): AsyncGenerator<readonly string[]> {
  let lines = 0;
  for await (const { pins } of readInteractions(file)) {
    signal.throwIfAborted();
    yield pins;
    terminal.progress('interactions', ++lines);
  }
}
