/** What a request has come to, as state: a new one ends the one before, whose answer stays to be seen until its own is there. */
import { useEffect, useState } from 'preact/hooks';
import { Refusal } from './api.ts';

interface Outcome<Value> {
  /** Name of the request. */
  readonly of: string;
  readonly value?: Value;
  readonly refusal?: Refusal;
}

export interface Progress<Value> {
  readonly isWaiting: boolean;
  /** The answer; while one is waited for, that of the request before, if it had one. */
  readonly value: Value | undefined;
  /** Why there is no answer. */
  readonly refusal: Refusal | undefined;
}

/**
 * Starts a request whenever its name changes; under the name '' there is nothing to ask. Faults that are no refusals are
 * thrown on, where the browser reports them.
 */
export function useRequest<Value>(
  name: string,
  start: (signal: AbortSignal) => Promise<Value>,
): Progress<Value> {
  const [outcome, setOutcome] = useState<Outcome<Value>>({ of: '' });
  useEffect(() => {
    if (name === '') {
      setOutcome({ of: '' });
      return;
    }
    const control = new AbortController();
    const end = (result: Outcome<Value>) => control.signal.aborted || setOutcome(result);
    start(control.signal).then(
      (value) => end({ of: name, value }),
      (error) => {
        if (control.signal.aborted) return;
        if (!(error instanceof Refusal)) throw error;
        end({ of: name, refusal: error });
      },
    );
    return () => control.abort();
  }, [name]);
  const isWaiting = outcome.of !== name;
  return { isWaiting, value: outcome.value, refusal: isWaiting ? undefined : outcome.refusal };
}
