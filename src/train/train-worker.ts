/** A thread of training: does pieces of work on memory that all threads share. */
import { workerData } from 'node:worker_threads';
import { type Piece, type Shared, work } from './kernels.ts';

const shared = workerData as Shared;

export default function run(piece: Piece): void {
  work(shared, piece);
}
