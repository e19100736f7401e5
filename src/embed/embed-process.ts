/**
 * The embedding process: holds one model and embeds what it is sent, one message after the other. Started by
 * process-embedder.ts alone, which says why it is a process.
 */
import { type ErrorRecord, toErrorRecord } from '../lib/errors.ts';
import type { LoadedModel, ModelLoad } from './loaded-model.ts';
import { loadStaticModel } from './static.ts';
import { loadTransformersModel } from './transformers.ts';

/** To the process: first `open`, last `close`. */
export type EmbedRequest =
  | { readonly type: 'open'; readonly load: ModelLoad }
  | { readonly type: 'embed'; readonly id: number; readonly texts: readonly string[] }
  | { readonly type: 'close' };

/** From the process: first `opened` or `failed`, then an answer to each request to embed. */
export type EmbedAnswer =
  | { readonly type: 'opened'; readonly dim: number }
  | { readonly type: 'failed'; readonly error: ErrorRecord }
  /** f32[texts x dim]. */
  | { readonly type: 'embedded'; readonly id: number; readonly vectors: Float32Array }
  | { readonly type: 'refused'; readonly id: number; readonly error: ErrorRecord };

let model: LoadedModel | undefined;

function answer(message: EmbedAnswer): Promise<void> {
  return new Promise((resolve) => process.send!(message, () => resolve()));
}

function load({ kind, folder, pooling, normalize }: ModelLoad): Promise<LoadedModel> {
  if (kind === 'static') return loadStaticModel(folder, normalize);
  return loadTransformersModel(folder, pooling, normalize);
}

async function handle(request: EmbedRequest): Promise<void> {
  if (request.type === 'open') {
    try {
      model = await load(request.load);
      await answer({ type: 'opened', dim: model.dim });
    } catch (error) {
      await answer({ type: 'failed', error: toErrorRecord(error) });
      process.disconnect();
    }
  } else if (request.type === 'embed') {
    try {
      await answer({ type: 'embedded', id: request.id, vectors: await model!.embed(request.texts) });
    } catch (error) {
      await answer({ type: 'refused', id: request.id, error: toErrorRecord(error) });
    }
  } else {
    await model!.dispose();
    process.disconnect();
  }
}

let last = Promise.resolve();
process.on('message', (request: EmbedRequest) => {
  last = last.then(() => handle(request));
});
// Closed by either side, or the parent is gone.
process.on('disconnect', () => process.exit());
// A Ctrl-C reaches the whole group of processes; the parent still has requests to finish and says when it is over.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});
