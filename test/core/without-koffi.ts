/** Where koffi is not to be found: makes a shard, and says as which ordinal it finds the fourth of its pins. */
import Module from 'node:module';
import { Prng } from '../../src/lib/prng.ts';
import { configOf, fill, openShard, search } from './shards.ts';

const modules = Module as unknown as { _load(request: string, ...rest: unknown[]): unknown };
const load = modules._load;
let asked = false;
modules._load = (request, ...rest) => {
  if (request !== 'koffi') return load(request, ...rest);
  asked = true;
  throw new Error('there is no koffi here');
};

const { writer, reader } = openShard(configOf({ dim: 8, metric: 'l2' }));
if (!asked && process.platform === 'linux') throw new Error('nobody asked for koffi');
const prng = new Prng(1);
const vectors = Array.from({ length: 10 }, () => Float32Array.from({ length: 8 }, () => prng.normal()));
fill(writer, vectors);
console.log(search(reader, vectors[3]!, 1, 10)[0]!.ordinal);
