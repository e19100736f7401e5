/**
 * A JSON file that a server goes by, such as its keys: it must be good at the start, and is taken anew whenever it has
 * changed. One that is bad, or gone, leaves in force what was, loudly.
 */
import { readJsonAs } from './json-file.ts';
import { LOOK_MS, WatchedFile } from './watched-file.ts';

export interface FollowedFileOptions<Value extends object> {
  /** Throws for what is not to be taken. */
  readonly parse: (input: unknown) => Value;
  /** Hears of what has been taken. */
  readonly onChange: (value: Value) => void;
  /** Hears why what there is now has not been taken, once for each state of the file. */
  readonly onProblem: (error: Error) => void;
}

export class FollowedFile<Value extends object> {
  readonly #file: WatchedFile;
  readonly #options: FollowedFileOptions<Value>;
  readonly #looking: NodeJS.Timeout;
  #last: Promise<void> = Promise.resolve();
  #value: Value;

  private constructor(file: WatchedFile, value: Value, options: FollowedFileOptions<Value>) {
    this.#file = file;
    this.#value = value;
    this.#options = options;
    this.#looking = setInterval(() => void this.look(), LOOK_MS);
    this.#looking.unref();
  }

  /** Rejects as `parse` throws, and with bad_config or io_error when there is no JSON to parse. */
  static async open<Value extends object>(
    path: string,
    options: FollowedFileOptions<Value>,
  ): Promise<FollowedFile<Value>> {
    const file = new WatchedFile(path);
    let value: Value | undefined;
    // One that has changed while it was read is read again
    while (value === undefined) value = await file.look(() => readJsonAs(path, options.parse), true);
    return new FollowedFile(file, value, options);
  }

  /** In force. */
  get value(): Value {
    return this.#value;
  }

  /** Looks whether the file has changed; with `anew`, takes it as it is now. One look at a time; never rejects. */
  look(anew = false): Promise<void> {
    this.#last = this.#last.then(() => this.#look(anew));
    return this.#last;
  }

  close(): void {
    clearInterval(this.#looking);
  }

  async #look(anew: boolean): Promise<void> {
    const { path } = this.#file;
    const found = await this.#file.look(
      () =>
        readJsonAs(path, this.#options.parse).then(
          (value) => ({ value }),
          (error: Error) => ({ error }),
        ),
      anew,
    );
    if (found === undefined) return;
    if ('error' in found) {
      this.#options.onProblem(found.error);
    } else {
      this.#value = found.value;
      this.#options.onChange(found.value);
    }
  }
}
