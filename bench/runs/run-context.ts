/** What every kind of run is given beside its own options. */
export interface RunContext {
  /** Cores for the engines, as taskset takes them; null to let them move. */
  readonly cores: string | null;
  /** Ends the run. */
  readonly signal: AbortSignal;
  /** Folder of what is made once. */
  readonly cacheDir: string;
  /** Threads of the exact search. */
  readonly threads: number;
  /** A remark that belongs to the results. */
  note(line: string): void;
  progress(label: string, done: number, total: number): void;
}
