/** The threads of training: rounds of pieces, each of which any thread may take. */
import { Piscina } from 'piscina';
import type { Piece, Shared } from './kernels.ts';

export interface TrainPool {
  /** Resolves when all pieces are done; rejects with the signal's reason when it is aborted, or what a thread died of. */
  round(pieces: readonly Piece[]): Promise<void>;
  close(): Promise<void>;
}

/** Starts at most `threads` threads. An abort ends them where they are. `onPiece` hears of each piece done. */
export function openTrainPool(
  shared: Shared,
  threads: number,
  onPiece: () => void,
  signal?: AbortSignal,
): TrainPool {
  const piscina = new Piscina<Piece, void>({
    filename: new URL('./train-worker.js', import.meta.url).href,
    minThreads: threads,
    maxThreads: threads,
    atomics: 'disabled',
    workerData: shared,
  });
  // A thread that fails has its piece rejected
  piscina.on('error', () => {});
  const stop = () => void piscina.destroy();
  signal?.addEventListener('abort', stop, { once: true });
  return {
    round: async (pieces) => {
      signal?.throwIfAborted();
      try {
        await Promise.all(pieces.map((piece) => piscina.run(piece).then(onPiece)));
      } catch (error) {
        signal?.throwIfAborted();
        throw error;
      }
    },
    close: async () => {
      signal?.removeEventListener('abort', stop);
      await piscina.destroy();
    },
  };
}
