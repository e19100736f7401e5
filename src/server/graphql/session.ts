/**
 * One GraphQL request: the indexes that it asks, each held open as one generation from the first field that asks it to the
 * end, so that nothing in an answer is of two; and what is done once for all fields.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { EngineQuery } from '../../engines/engine.ts';
import type { Watch } from '../../lib/watch.ts';
import { embedTogether } from '../../retrieval/embed-together.ts';
import { askedBy, type Clock, type OpenIndex, type ServedIndex } from '../../retrieval/open-index.ts';
import type { Aftermath } from '../aftermath.ts';
import { checkIndex, maySee } from '../auth/principal.ts';
import { type Catalog, type CatalogEntry, openIndex } from '../catalog.ts';
import type { Admission } from '../overload/admission.ts';
import { callerOf } from '../overload/caller.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import { batchPins } from './pin-batch.ts';

/** What the fields of a server have in common. */
export interface Service {
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly aftermath: Aftermath;
  readonly admission: Admission;
  readonly telemetry: Telemetry;
}

/** An index as a request has it open. */
export interface Opened {
  /** As the catalog has it. */
  readonly index: OpenIndex;
  /** The same, with pins and texts of all fields read together. */
  readonly shared: OpenIndex;
}

export class Session {
  readonly service: Service;
  readonly #request: FastifyRequest;
  readonly #reply: FastifyReply;
  readonly #opened = new Map<string, Promise<Opened>>();
  readonly #afterwards: (() => void)[] = [];
  readonly #ended: Promise<void>;
  #end: () => void = () => {};

  constructor(service: Service, request: FastifyRequest, reply: FastifyReply) {
    this.service = service;
    this.#request = request;
    this.#reply = reply;
    this.#ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  get requestId(): string {
    return this.#request.id;
  }

  readonly onFault = (error: unknown): void => {
    this.#request.watch.fault(this.#request.id, error);
  };

  /** The index of a name or an alias, as it answers now. forbidden, unknown_index, not_ready, or why it failed to load. */
  served(name: string): ServedIndex {
    checkIndex(this.service.catalog, this.#request.principal, name);
    return openIndex(this.service.catalog, name);
  }

  /** The same, also when it does not answer; undefined when there is none. forbidden. */
  entry(name: string): CatalogEntry | undefined {
    checkIndex(this.service.catalog, this.#request.principal, name);
    return this.service.catalog.get(name);
  }

  /** All indexes that whoever asks may use. */
  entries(): readonly CatalogEntry[] {
    const { catalog } = this.service;
    return catalog.list().filter((entry) => maySee(catalog, this.#request.principal, entry.name));
  }

  /** The index of a name or an alias, in the generation that this request has it in. Rejects as `served` throws. */
  async open(name: string): Promise<Opened> {
    const served = this.served(name);
    let opened = this.#opened.get(served.name);
    if (opened === undefined) {
      opened = new Promise((resolve, reject) => {
        served
          .use((index) => {
            const engine = batchPins(index.engine);
            const embed = index.embed && embedTogether(index.embed);
            const caller = callerOf(this.#request, this.#reply);
            const watch = this.#watchOf(served.name);
            resolve({ index, shared: askedBy(caller, watch, { ...index, engine, embed }) });
            return this.#ended;
          })
          .catch(reject);
      });
      this.#opened.set(served.name, opened);
    }
    return opened;
  }

  /** What the request's watch hears of one of the indexes that it asks. */
  #watchOf(name: string): Watch<EngineQuery> {
    const { watch } = this.#request;
    const meter = this.service.telemetry.meterOf(name);
    watch.index ??= meter;
    return watch.of(meter);
  }

  /** Calls back once the answer has gone out. */
  readonly afterwards = (then: () => void): void => {
    if (this.#afterwards.length === 0)
      this.#reply.raw.once('finish', () => {
        for (const each of this.#afterwards) each();
      });
    this.#afterwards.push(then);
  };

  /** Lets go of all indexes. */
  close(): void {
    this.#end();
  }
}
