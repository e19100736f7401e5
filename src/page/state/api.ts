/** Requests to the server that the page came from: relative, so that a path in front of it is kept. */
import type { Problem } from '../../client/client.ts';

/** A part of the time that the server took, as Server-Timing tells it. */
export interface Stage {
  readonly name: string;
  readonly ms: number;
}

export interface Answered<Value> {
  readonly value: Value;
  /** From before the request was sent until the answer was read. */
  readonly roundTripMs: number;
  /** Empty where the server does not tell. */
  readonly stages: readonly Stage[];
}

export interface CallOptions {
  /** Makes it a POST. */
  readonly body?: object;
  /** The answer is no JSON. */
  readonly isText?: boolean;
  readonly signal?: AbortSignal;
}

/** Rejects with a Refusal, or with the signal's reason. */
export type Call = <Value>(path: string, options?: CallOptions) => Promise<Answered<Value>>;

/** Why there is no answer: the server's problem, or that it sent none. */
export class Refusal extends Error {
  /** 0 when nothing came back. */
  readonly status: number;
  readonly code: string;
  readonly places: NonNullable<Problem['errors']>;

  constructor(status: number, code: string, message: string, places: Refusal['places'] = []) {
    super(message);
    this.status = status;
    this.code = code;
    this.places = places;
  }
}

export const indexPath = (name: string): string => `v1/indexes/${encodeURIComponent(name)}`;

/** Requests with a key, where there is one. */
export function callWith(key: string | undefined): Call {
  return async <Value>(path: string, { body, isText = false, signal }: CallOptions = {}) => {
    const startedAt = performance.now();
    const headers = {
      accept: isText ? 'text/plain' : 'application/json',
      // Else the stages are not told
      'x-server-timing': '1',
      ...(key !== undefined && { authorization: `Bearer ${key}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    };
    const init = { headers, ...(body !== undefined && { method: 'POST', body: JSON.stringify(body) }) };
    try {
      const response = await fetch(path, { ...init, signal: signal ?? null });
      const value: unknown = isText && response.ok ? await response.text() : await response.json();
      if (!response.ok) throw refusalOf(response.status, value as Partial<Problem>);
      return {
        value: value as Value,
        roundTripMs: performance.now() - startedAt,
        stages: readStages(response.headers.get('server-timing') ?? ''),
      };
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof Refusal) throw error;
      if (error instanceof SyntaxError) throw new Refusal(0, 'bad_answer', 'What came back is not JSON.');
      throw new Refusal(0, 'no_answer', 'There was no answer: the server or the network is away.');
    }
  };
}

/** Reads a Server-Timing header: the metrics that have a duration (W3C Server Timing, section 3). */
export function readStages(header: string): Stage[] {
  return [...header.matchAll(/([\w-]+)[^,]*?;\s*dur=([\d.]+)/g)].map(([, name, ms]) => ({
    name: name!,
    ms: Number(ms),
  }));
}

function refusalOf(status: number, { code, detail, errors }: Partial<Problem>): Refusal {
  return new Refusal(status, code ?? 'bad_answer', detail ?? `Status ${status}`, errors);
}
