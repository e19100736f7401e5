/** `nearpin query`: nearest pins, from an index on disk or, with --url, from a server. */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { Command } from 'commander';
import { createClient } from '../../client/client.ts';
import type { ShardPlan } from '../../engines/engine.ts';
import type { Answering } from '../../evaluation/surfaces.ts';
import type { Filter } from '../../index/filter.ts';
import { NearpinError } from '../../lib/errors.ts';
import { LIMITS } from '../../lib/limits.ts';
import { type EmbeddedIndex, openIndex } from '../../library/library.ts';
import type { RetrievalAnswer, SearchRequest } from '../../retrieval/contract.ts';
import { readPinFile } from '../../storage/pin-files.ts';
import { readMixerFile } from '../mixer-file.ts';
import {
  json,
  jsonOption,
  keyOption,
  option,
  type ServingOptions,
  servingOptions,
  whole,
} from '../options.ts';
import { formatTable, type Terminal } from '../terminal.ts';
import { remoteIndex } from './remote-index.ts';

interface QueryCommandOptions extends ServingOptions {
  readonly related?: readonly string[];
  readonly text?: string;
  readonly vector?: string;
  readonly mode?: SearchRequest['mode'];
  readonly k: number;
  readonly ef?: number;
  readonly filter?: Filter;
  readonly exact: boolean;
  readonly explain: boolean;
  /** Checked where the request is. */
  readonly fields: object;
  readonly url?: string;
  readonly key?: string;
  readonly json: boolean;
}

export function queryCommand(terminal: Terminal): Command {
  const command = new Command('query')
    .argument('<index>', 'directory of the index; with --url, its name')
    .addOption(option('--related <id...>', 'pins related to these pins').conflicts(['text', 'vector']))
    .addOption(option('--text <text>', 'pins nearest to this text').conflicts(['related', 'vector']))
    .addOption(
      option(
        '--vector <file>',
        'pins nearest to the vector in a file: a JSON array, or the first row of .npy, .fvecs, .bvecs',
      ).conflicts(['related', 'text']),
    )
    .addOption(
      option('--mode <mode>', 'find a text by its vector, by its words, or by both').choices([
        'dense',
        'lexical',
        'hybrid',
      ]),
    )
    .addOption(option('--k <n>', 'hits').argParser(whole(1, LIMITS.kMax)).default(10))
    .addOption(option('--ef <n>', 'width of the search').argParser(whole(1, LIMITS.efMax)))
    .addOption(option('--filter <json>', 'only pins whose attributes match').argParser(json))
    .addOption(option('--exact', 'compare every matching pin').default(false))
    .addOption(option('--explain', 'tell how each shard was searched').default(false))
    .addOption(
      option('--fields <json>', 'more fields of the request, such as {"diversity": {}}')
        .argParser(json)
        .default({}, 'none'),
    )
    .addOption(option('--url <url>', 'ask the server there'))
    .addOption(keyOption());
  for (const each of [...servingOptions(), jsonOption()]) command.addOption(each);
  return command.action((index: string, options: QueryCommandOptions) => query(index, options, terminal));
}

async function query(index: string, options: QueryCommandOptions, terminal: Terminal): Promise<void> {
  const { related, text, vector, url } = options;
  if (related === undefined && text === undefined && vector === undefined) {
    throw new NearpinError('bad_request', 'give one of --related, --text and --vector');
  }
  if (options.mode !== undefined && text === undefined) {
    throw new NearpinError('bad_request', '--mode is of a search by --text');
  }
  const common = {
    k: options.k,
    include: ['payload', 'attributes'] as const,
    exact: options.exact,
    ...(options.explain && { explain: true }),
    ...(options.ef !== undefined && { ef: options.ef }),
    ...(options.filter !== undefined && { filter: options.filter }),
    ...options.fields,
  };
  const ask = async (to: Answering): Promise<RetrievalAnswer> => {
    if (related !== undefined) return to.related({ ...common, pins: related });
    if (text !== undefined)
      return to.search({ ...common, text, ...(options.mode && { mode: options.mode }) });
    return to.query({ ...common, vector: await readVector(vector!) });
  };
  if (url !== undefined) {
    const client = createClient({ url, key: options.key });
    show(await ask(remoteIndex(client, basename(index))), options, terminal);
    return;
  }
  const mixer = await readMixerFile(index);
  const opened: EmbeddedIndex = await openIndex(index, { ...options, readOnly: true, mixer });
  try {
    show(await ask(opened), options, terminal);
  } finally {
    await opened.close();
  }
}

/** The vector of a file. Throws bad_file. */
async function readVector(file: string): Promise<readonly number[] | Float32Array> {
  if (/\.(npy|fvecs|bvecs)(\.gz)?$/.test(file)) {
    for await (const row of readPinFile(file, process.stdin)) {
      if ('value' in row) return (row.value as { vector: Float32Array }).vector;
    }
    throw new NearpinError('bad_file', `${file} holds no vector`);
  }
  try {
    return JSON.parse(readFileSync(file === '-' ? 0 : file, 'utf8')) as number[];
  } catch (cause) {
    throw new NearpinError('bad_file', `${file} does not hold a JSON array: ${(cause as Error).message}`);
  }
}

function show(answer: RetrievalAnswer, options: QueryCommandOptions, terminal: Terminal): void {
  if (options.json) {
    terminal.print(JSON.stringify(answer));
    return;
  }
  const rows = answer.hits.map(({ id, score, payload }, i) => {
    const title = (payload as { title?: unknown } | undefined)?.title;
    return [String(i + 1), score.toFixed(4), id, typeof title === 'string' ? title : ''];
  });
  if (rows.length > 0) terminal.print(formatTable([['#', 'score', 'pin', 'title'], ...rows]));
  const { coverage, exhausted, ef, tookMs } = answer;
  const width = ef === 0 ? 'every matching pin compared' : `ef ${ef}`;
  const partial =
    coverage.answered < coverage.shards ? `, only ${coverage.answered} of ${coverage.shards} shards` : '';
  const few = exhausted ? ', no more pins match' : '';
  terminal.note(`${answer.hits.length} hits in ${tookMs.toFixed(1)} ms, ${width}${few}${partial}`);
  if (answer.explain) terminal.print(formatTable([PLAN_HEADER, ...answer.explain.map(planRow)]));
}

const PLAN_HEADER = ['shard', 'plan', 'ef', 'share', 'matching', 'mask', 'distances', 'hops'];

/** A row below PLAN_HEADER; a dash for what is not known. */
function planRow(shard: ShardPlan, number: number): string[] {
  const { plan, ef, selectivity, matching, mask, distances, hops } = shard;
  const share = selectivity === undefined ? '-' : `about ${(100 * selectivity).toFixed(1)} %`;
  const known = (value: number | string | undefined) => String(value ?? '-');
  return [String(number), plan, String(ef), share, ...[matching, mask, distances, hops].map(known)];
}
