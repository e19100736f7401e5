/**
 * The commands by name, in the order of the help. What one is made of is read when it is asked for: the modules of a server alone
 * take longer to read than most commands take.
 */
import type { Command } from 'commander';
import type { Terminal } from './terminal.ts';

interface Listed {
  /** What it does, in the words of the help. */
  readonly summary: string;
  readonly load: (terminal: Terminal) => Promise<Command>;
}

export const COMMANDS: Readonly<Record<string, Listed>> = {
  build: {
    summary:
      'build an index from files of pins (.jsonl, .ndjson, .npy, .fvecs, .bvecs, .hdf5, each also .gz; - is stdin)',
    load: async (terminal) => (await import('./commands/build.ts')).buildCommand(terminal),
  },
  train: {
    summary: 'make vectors of pins from the lists of pins that users saved',
    load: async (terminal) => (await import('./commands/train.ts')).trainCommand(terminal),
  },
  serve: {
    summary: 'serve the indexes of a directory over HTTP',
    load: async (terminal) => (await import('./commands/serve.ts')).serveCommand(terminal),
  },
  config: {
    summary: 'show the settings that a server would have, and check them',
    load: async (terminal) => (await import('./commands/config.ts')).configCommand(terminal),
  },
  health: {
    summary: 'ask the server that has these settings whether it is ready',
    load: async (terminal) => (await import('./commands/health.ts')).healthCommand(terminal),
  },
  query: {
    summary: 'find the nearest pins',
    load: async (terminal) => (await import('./commands/query.ts')).queryCommand(terminal),
  },
  inspect: {
    summary: 'show what an index holds',
    load: async (terminal) => (await import('./commands/inspect.ts')).inspectCommand(terminal),
  },
  verify: {
    summary: 'check sums, graphs, pins and recall of an index',
    load: async (terminal) => (await import('./commands/verify.ts')).verifyCommand(terminal),
  },
  upsert: {
    summary:
      'write pins: new ones, whole ones in the place of others, or attributes and payload of ones that are there',
    load: async (terminal) => (await import('./commands/write.ts')).upsertCommand(terminal),
  },
  delete: {
    summary: 'delete pins',
    load: async (terminal) => (await import('./commands/write.ts')).deleteCommand(terminal),
  },
  checkpoint: {
    summary: 'write a generation that holds every update so far',
    load: async (terminal) => (await import('./commands/generations.ts')).checkpointCommand(terminal),
  },
  generations: {
    summary: 'list the generations',
    load: async (terminal) => (await import('./commands/generations.ts')).generationsCommand(terminal),
  },
  publish: {
    summary: 'serve a generation from now on, with the updates after its seq',
    load: async (terminal) => (await import('./commands/generations.ts')).publishCommand(terminal),
  },
  rollback: {
    summary: 'serve the generation before the one that is served, with the updates after its seq',
    load: async (terminal) => (await import('./commands/generations.ts')).rollbackCommand(terminal),
  },
  alias: {
    summary: 'list the aliases, let one stand for an index, or remove one',
    load: async (terminal) => (await import('./commands/alias.ts')).aliasCommand(terminal),
  },
  mixer: {
    summary: 'check a mixer config and show its experiments',
    load: async (terminal) => (await import('./commands/mixer.ts')).mixerCommand(terminal),
  },
  keys: {
    summary: 'make, list and revoke the API keys of a server',
    load: async (terminal) => (await import('./commands/keys.ts')).keysCommand(terminal, () => Date.now()),
  },
  demo: {
    summary: 'make a catalogue of pins, build its index, serve it',
    load: async (terminal) => (await import('./commands/demo.ts')).demoCommand(terminal),
  },
  eval: {
    summary:
      'measure recall, hit rate, MRR, nDCG, coverage, diversity and novelty of a surface over a file of cases, against baselines, with 95 % intervals; or check the arms of experiments by a log of exposures',
    load: async (terminal) => (await import('./commands/eval.ts')).evalCommand(terminal),
  },
  batch: {
    summary:
      'answer a surface for every line of a file, offline; run again after an interruption, it goes on',
    load: async (terminal) => (await import('./commands/batch.ts')).batchCommand(terminal),
  },
  bench: {
    summary:
      'measure recall against speed, of nearpin and of other engines, on the same data in one run; writes results.json, report.html and bars.md',
    load: async (terminal) => (await import('./commands/bench.ts')).benchCommand(terminal),
  },
  diff: {
    summary: 'send requests to REST and to GraphQL, or to two servers, and compare the answers',
    load: async (terminal) => (await import('./commands/diff.ts')).diffCommand(terminal),
  },
};
