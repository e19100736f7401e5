/**
 * Files that a server goes by, such as its keys: they must be good at the start, and are taken anew whenever they have
 * changed. What is bad, or gone, leaves in force what was, loudly.
 */
import { LOOK_MS, WatchedFile } from './watched-file.ts';

export interface FollowedFilesOptions<Value extends object> {
  /** What the files hold. Rejects for what is not to be taken. */
  readonly read: () => Promise<Value>;
  /** Hears of what has been taken. */
  readonly onChange: (value: Value) => void;
  /** Hears why what there is now has not been taken, once for each state of the files. */
  readonly onProblem: (error: Error) => void;
}

export class FollowedFiles<Value extends object> {
  readonly #files: WatchedFile;
  readonly #options: FollowedFilesOptions<Value>;
  readonly #looking: NodeJS.Timeout;
  #last: Promise<void> = Promise.resolve();
  #value: Value;

  private constructor(files: WatchedFile, value: Value, options: FollowedFilesOptions<Value>) {
    this.#files = files;
    this.#value = value;
    this.#options = options;
    this.#looking = setInterval(() => void this.look(), LOOK_MS);
    this.#looking.unref();
  }

  /** Follows files that belong together. Rejects as `read`. */
  static async open<Value extends object>(
    paths: readonly [string, ...string[]],
    options: FollowedFilesOptions<Value>,
  ): Promise<FollowedFiles<Value>> {
    const files = new WatchedFile(...paths);
    let value: Value | undefined;
    // What has changed while it was read is read again
    while (value === undefined) value = await files.look(options.read, true);
    return new FollowedFiles(files, value, options);
  }

  /** In force. */
  get value(): Value {
    return this.#value;
  }

  /** Looks whether the files have changed; with `anew`, takes them as they are now. One look at a time; never rejects. */
  look(anew = false): Promise<void> {
    this.#last = this.#last.then(() => this.#look(anew));
    return this.#last;
  }

  close(): void {
    clearInterval(this.#looking);
  }

  async #look(anew: boolean): Promise<void> {
    const { read, onChange, onProblem } = this.#options;
    const found = await this.#files.look(
      () =>
        read().then(
          (value) => ({ value }),
          (error: Error) => ({ error }),
        ),
      anew,
    );
    if (found === undefined) return;
    if ('error' in found) {
      onProblem(found.error);
    } else {
      this.#value = found.value;
      onChange(found.value);
    }
  }
}
