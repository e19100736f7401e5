/**
 * Hits as a connection (Relay, "GraphQL Cursor Connections"): pages of one list of up to k hits, turned forward.
 *
 * Offsets into a list that changes show hits twice or never. So a cursor holds what the pages up to it have shown, five
 * bytes of hash a hit, and the page after it is the best of now without that: where nothing was written in between,
 * exactly the rest of the list; otherwise no hit twice, and nothing left out that is among the k best when the page is
 * asked for. It holds further a hash of the request, and is refused by any other, and one of the generation, so that the
 * page can tell that another one has taken over. A false match of two hashes, which would leave out a hit, has a chance
 * of 1 in a million where 1,000 hits are shown of 1,000 more.
 */
import { createHash } from 'node:crypto';
import { errorAt } from '../../lib/errors.ts';
import { LIMITS } from '../../lib/limits.ts';
import { murmur3 } from '../../lib/murmur3.ts';
import type { Hit, RetrievalAnswer } from '../../retrieval/contract.ts';
import { checkWhole } from '../../retrieval/plan.ts';

const VERSION = 1;
const REQUEST_BYTES = 8;
const GENERATION_BYTES = 4;
const HEAD_BYTES = 1 + REQUEST_BYTES + GENERATION_BYTES;
const HIT_BYTES = 5;

/** The arguments of a page. */
export interface PageArguments {
  readonly first?: number | null;
  readonly after?: string | null;
}

/** Where a page begins, checked. */
export interface Page {
  readonly first: number;
  /** Hash of the request, with which its cursors begin; made when it is needed. */
  readonly request: () => Buffer;
  /** Hashes of the hits that were shown before, one after the other. */
  readonly shown: Buffer;
  /** Hash of the generation that showed them; absent on the first page. */
  readonly generation?: Buffer;
}

const NOTHING_SHOWN = Buffer.alloc(0);

/**
 * Checks the arguments of a page of an answer to `asked`, which is whatever the list of hits follows from.
 * @throws NearpinError bad_request at `first` or `after`, limit_exceeded at `first`
 */
export function openPage({ first, after }: PageArguments, asked: object): Page {
  let known: Buffer | undefined;
  const request = () => {
    known ??= createHash('sha256').update(canonical(asked)).digest().subarray(0, REQUEST_BYTES);
    return known;
  };
  const page = { first: checkWhole(first ?? undefined, 'first', 1, LIMITS.kMax, LIMITS.kMax), request };
  if (after == null) return { ...page, shown: NOTHING_SHOWN };
  const bytes = Buffer.from(after, 'base64url');
  const shown = bytes.subarray(HEAD_BYTES);
  const count = shown.length / HIT_BYTES;
  if (bytes[0] !== VERSION || bytes.length < HEAD_BYTES || !Number.isInteger(count) || count > LIMITS.kMax)
    throw errorAt('bad_request', 'after', 'is not a cursor that this server gives');
  if (!bytes.subarray(1, 1 + REQUEST_BYTES).equals(request()))
    throw errorAt('bad_request', 'after', 'is a cursor of another request');
  return { ...page, shown, generation: bytes.subarray(1 + REQUEST_BYTES, HEAD_BYTES) };
}

/** A page of an answer's hits, with cursors that are made where they are asked for. */
export function pageOf({ hits, generation }: RetrievalAnswer, page: Page) {
  const before = new Set<string>();
  for (let at = 0; at < page.shown.length; at += HIT_BYTES)
    before.add(page.shown.toString('latin1', at, at + HIT_BYTES));
  const rest = before.size === 0 ? hits : hits.filter(({ id }) => !before.has(hashOf(id).toString('latin1')));
  const room = LIMITS.kMax - before.size;
  const shown = rest.slice(0, Math.min(page.first, room));
  const generationHash = () => createHash('sha256').update(generation).digest().subarray(0, GENERATION_BYTES);
  const cursorAt = (i: number): string =>
    Buffer.concat([
      Buffer.of(VERSION),
      page.request(),
      generationHash(),
      page.shown,
      ...shown.slice(0, i + 1).map(({ id }) => hashOf(id)),
    ]).toString('base64url');
  return {
    hits: shown.map((hit, i): { readonly hit: Hit; readonly cursor: () => string } => ({
      hit,
      cursor: () => cursorAt(i),
    })),
    pageInfo: {
      hasNextPage: rest.length > shown.length && shown.length < room,
      hasPreviousPage: before.size > 0,
      startCursor: () => (shown.length > 0 ? cursorAt(0) : null),
      endCursor: () => (shown.length > 0 ? cursorAt(shown.length - 1) : null),
    },
    generationChanged: page.generation !== undefined && !page.generation.equals(generationHash()),
  };
}

function hashOf(id: string): Buffer {
  const bytes = Buffer.from(id);
  const hash = Buffer.alloc(HIT_BYTES);
  hash.writeUInt32LE(murmur3(bytes));
  hash[HIT_BYTES - 1] = murmur3(bytes, 1) & 0xff;
  return hash;
}

/** JSON with the keys of objects in order, and floats as their bytes. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (inner instanceof Float32Array) return Array.from(inner);
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
