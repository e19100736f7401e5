/** Asks for the pins of an address, and for the seed that they are related to. */
import type { IndexDescription, NearpinClient, RetrievalAnswer } from '../../client/client.ts';
import type { Address } from './address.ts';
import { type Answered, type Call, indexPath } from './api.ts';
import { type Ask, askFor, type Saved } from './ask.ts';

export type Pin = Awaited<ReturnType<NearpinClient['pin']>>;

export interface Found extends Answered<RetrievalAnswer> {
  readonly ask: Ask;
  readonly address: Address;
  /** Of a home feed: how many saved pins it was made from. */
  readonly savedCount: number;
  /** The pin that the others are related to. */
  readonly seed: Pin | undefined;
}

export async function findPins(
  call: Call,
  index: IndexDescription,
  address: Address,
  saved: readonly Saved[],
  signal: AbortSignal,
): Promise<Found> {
  const ask = askFor(address, index, saved);
  const { view } = address;
  const [answered, seed] = await Promise.all([
    call<RetrievalAnswer>(ask.path, { body: ask.body, signal }),
    view.name === 'related'
      ? call<Pin>(`${indexPath(index.name)}/pins/${encodeURIComponent(view.pin)}`, { signal })
      : undefined,
  ]);
  return { ...answered, ask, address, savedCount: saved.length, seed: seed?.value };
}
