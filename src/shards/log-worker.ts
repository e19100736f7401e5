/** The thread in which update logs wait for the disk; one for all indexes of a process. */
import { NearpinError } from '../lib/errors.ts';
import { type LogExtent, type LoggedUpdate, setLogAside, UpdateLog } from '../storage/update-log.ts';
import { serveCalls } from './thread.ts';

export type LogCall =
  | { readonly do: 'open'; readonly log: number; readonly indexDir: string; readonly readOnly: boolean }
  | { readonly do: 'start after'; readonly log: number; readonly seq: number }
  | { readonly do: 'append'; readonly log: number; readonly updates: readonly LoggedUpdate[] }
  | { readonly do: 'take back'; readonly log: number; readonly seqs: readonly number[] }
  | {
      readonly do: 'read';
      readonly log: number;
      readonly after: number;
      readonly last: number;
      readonly bytesMax: number;
    }
  | { readonly do: 'trim'; readonly log: number; readonly seq: number }
  | { readonly do: 'set aside'; readonly log: number; readonly indexDir: string }
  | { readonly do: 'close'; readonly log: number };

/** What `open` answers: undefined when there is no log and it is only read. */
export type OpenAnswer = LogExtent | undefined;
export type ReadAnswer = ReturnType<UpdateLog['read']>;

/** By the number that the caller has given them. */
const logs = new Map<number, UpdateLog>();

function logOf(number: number): UpdateLog {
  const log = logs.get(number);
  if (!log) throw new NearpinError('closed', 'the update log is closed');
  return log;
}

serveCalls<LogCall>(async (call) => {
  switch (call.do) {
    case 'open': {
      const log = UpdateLog.open(call.indexDir, call.readOnly ? 'read' : 'write');
      if (log) logs.set(call.log, log);
      return { value: log?.extent() satisfies OpenAnswer };
    }
    case 'start after':
      logOf(call.log).startAfter(call.seq);
      return {};
    case 'append':
      logOf(call.log).append(call.updates);
      return { spent: call.updates.map(({ bytes }) => bytes.buffer) };
    case 'take back':
      logOf(call.log).takeBack(call.seqs);
      return {};
    case 'read': {
      const read: ReadAnswer = logOf(call.log).read(call.after, call.last, call.bytesMax);
      return { value: read, transfer: read.updates.map(({ bytes }) => bytes.buffer as ArrayBuffer) };
    }
    case 'trim': {
      const log = logOf(call.log);
      log.trim(call.seq);
      logs.delete(call.log);
      logs.set(call.log, await log.reopen());
      return {};
    }
    case 'set aside':
      await logs.get(call.log)?.close();
      logs.delete(call.log);
      return { value: setLogAside(call.indexDir) };
    case 'close':
      await logs.get(call.log)?.close();
      logs.delete(call.log);
      return {};
  }
});
