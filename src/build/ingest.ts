/**
 * From input rows to what the shards are built of: every row is checked, texts are embedded in batches, and each pin
 * goes to its shard's spool and into the pin store. Nothing is held back but one batch, so the size of the input
 * does not matter.
 */
import { unitScale, unitVector } from '../core/metric.ts';
import { encodeRow, type RowLayout, rowLayout } from '../index/attributes.ts';
import type { IndexConfig } from '../index/config.ts';
import { Dictionary } from '../index/dictionary.ts';
import { type ParsedPin, parsePin } from '../index/pin.ts';
import { shardOf } from '../index/shard-of.ts';
import { wordsOf } from '../index/words.ts';
import { errorAt, NearpinError } from '../lib/errors.ts';
import { heapRecordBytes } from '../shards/shard-config.ts';
import type { PinStoreWriter } from '../storage/pin-store.ts';
import type { SpoolWriter } from '../storage/spool.ts';

/** Texts embedded at once. */
const BATCH = 256;

/** A row that is not a pin, and why. */
export interface BadRow {
  readonly file: string;
  /** Line from 1 in a text file, row from 0 in a file of vectors. */
  readonly row: number;
  /** Its paths start at the row. */
  readonly error: NearpinError;
}

/** Embeds documents; f32[dim] each. */
export type EmbedDocuments = (texts: readonly string[]) => Promise<Float32Array[]>;

export interface IngestPorts {
  readonly pins: PinStoreWriter;
  /** One per shard. */
  readonly spools: readonly SpoolWriter[];
  /** Undefined when the index has no model, and cannot have texts. */
  readonly embed: EmbedDocuments | undefined;
  /** Hears of each bad row; throws when the build is to end with it. */
  readonly onBad: (bad: BadRow) => void;
}

interface Waiting {
  readonly file: string;
  readonly row: number;
  readonly pin: ParsedPin;
}

export class Ingest {
  readonly dictionary = new Dictionary();
  /** Heap bytes of each shard's ids and keyword lists. */
  readonly recordBytes: number[];
  /** Whether any pin has words for lexical search. */
  hasWords = false;
  /** Of the vectors that came in, the least and the greatest, where the metric does not count them; none where they cross. */
  readonly lengths = { least: Number.POSITIVE_INFINITY, greatest: 0 };
  readonly #config: IndexConfig;
  readonly #ports: IngestPorts;
  readonly #layout: RowLayout;
  #batch: Waiting[] = [];
  /** Ids that a row has taken and the pin store does not have: of the batch, and of texts that could not be embedded. */
  readonly #ids = new Set<string>();

  constructor(config: IndexConfig, ports: IngestPorts) {
    this.#config = config;
    this.#ports = ports;
    this.#layout = rowLayout(config.attributes);
    this.recordBytes = ports.spools.map(() => 0);
  }

  /** Takes one row's value. */
  async add(file: string, row: number, value: unknown): Promise<void> {
    try {
      const pin = parsePin(value, this.#config, '');
      if (this.#ids.has(pin.id) || this.#ports.pins.has(pin.id)) {
        throw errorAt('duplicate_pin', 'id', `${JSON.stringify(pin.id)} occurs more than once`);
      }
      if (pin.text !== undefined && !this.#ports.embed) {
        throw errorAt(
          'no_model',
          'text',
          'cannot be embedded: the vectors before it are of no model known here',
        );
      }
      this.#ids.add(pin.id);
      this.#batch.push({ file, row, pin });
    } catch (error) {
      if (!(error instanceof NearpinError)) throw error;
      this.#ports.onBad({ file, row, error });
    }
    if (this.#batch.length >= BATCH) await this.#flush();
  }

  /** Takes what is still waiting. */
  async end(): Promise<void> {
    await this.#flush();
  }

  async #flush(): Promise<void> {
    const batch = this.#batch;
    this.#batch = [];
    const texts = batch.flatMap(({ pin }) => (pin.text === undefined ? [] : [pin.text]));
    const embedded = texts.length > 0 ? await this.#ports.embed!(texts) : [];
    let next = 0;
    for (const { file, row, pin } of batch) {
      const vector = pin.vector ?? embedded[next++]!;
      if (pin.text !== undefined && this.#config.metric === 'cosine' && vector.every((x) => x === 0)) {
        const error = errorAt('zero_vector', 'text', 'the model makes a zero vector of it');
        this.#ports.onBad({ file, row, error });
      } else {
        this.#store(pin, vector);
        this.#ids.delete(pin.id);
      }
    }
  }

  #measure(vector: Float32Array): void {
    const length = 1 / unitScale(vector);
    this.lengths.least = Math.min(this.lengths.least, length);
    this.lengths.greatest = Math.max(this.lengths.greatest, length);
  }

  #store(pin: ParsedPin, vector: Float32Array): void {
    const id = Buffer.from(pin.id);
    const shard = shardOf(id, this.#ports.spools.length);
    const spool = this.#ports.spools[shard]!;
    const { attributes, payload, text } = pin;
    this.hasWords ||= wordsOf(text, payload) !== '';
    if (this.#config.metric === 'cosine' && pin.vector) this.#measure(pin.vector);
    this.#ports.pins.put(pin.id, { shard, ordinal: spool.count, seq: 0, attributes, payload, text });
    const { row, lists } = encodeRow(this.#layout, attributes, (name, value) =>
      this.dictionary.add(name, value),
    );
    spool.append({ id, vector: this.#config.metric === 'cosine' ? unitVector(vector) : vector, row, lists });
    this.recordBytes[shard]! += heapRecordBytes(id.length + 1);
    for (const list of lists) {
      if (list.length > 0) this.recordBytes[shard]! += heapRecordBytes(list.byteLength + 4);
    }
  }
}
