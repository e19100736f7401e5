/**
 * The certificate that listeners show and its private key, two PEM files that fit each other. They are watched, so what a
 * renewing tool writes is shown to the next connection without a restart. A pair that cannot be taken, as one that is half
 * renewed, leaves in force what was.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Server } from 'node:net';
import { createSecureContext, type SecureContextOptions, type Server as TlsServer } from 'node:tls';
import { errorAt } from '../lib/errors.ts';
import type { Settings } from './settings.ts';
import { LOOK_MS, WatchedFile } from './watched-file.ts';

/** What is to expire sooner is told of. */
const WARN_DAYS = 14;
const DAY_MS = 86_400_000;

export type CertificateSettings = Required<Pick<Settings, 'tlsCert' | 'tlsKey'>>;

/** What both settings name, or undefined when there is neither. Throws bad_config where only one is set. */
export function certificateSettings({ tlsCert, tlsKey }: Settings): CertificateSettings | undefined {
  if (tlsCert !== undefined && tlsKey !== undefined) return { tlsCert, tlsKey };
  if (tlsCert !== undefined) throw errorAt('bad_config', 'tlsKey', 'is missing, and tlsCert is set');
  if (tlsKey !== undefined) throw errorAt('bad_config', 'tlsCert', 'is missing, and tlsKey is set');
  return undefined;
}

interface Certificate {
  /** What a listener is made with. */
  readonly context: SecureContextOptions;
  readonly expiresAtMs: number;
}

/** Reads and checks both files. Throws bad_config, naming the setting, when they cannot be shown at this time. */
export async function readCertificate(files: CertificateSettings, nowMs: number): Promise<Certificate> {
  const cert = await readSetting(files, 'tlsCert');
  const key = await readSetting(files, 'tlsKey');
  const leaf = madeOf(files, 'tlsCert', () => new X509Certificate(cert));
  const secret = madeOf(files, 'tlsKey', () => createPrivateKey(key));
  if (!leaf.checkPrivateKey(secret))
    throw errorAt('bad_config', 'tlsKey', `${files.tlsKey} is not the key of ${files.tlsCert}`);
  const expiresAtMs = Date.parse(leaf.validTo);
  if (expiresAtMs <= nowMs)
    throw errorAt('bad_config', 'tlsCert', `${files.tlsCert} has expired, ${leaf.validTo}`);
  if (Date.parse(leaf.validFrom) > nowMs)
    throw errorAt('bad_config', 'tlsCert', `${files.tlsCert} is valid from ${leaf.validFrom} on`);
  const context: SecureContextOptions = { cert, key, minVersion: 'TLSv1.2' };
  // The rest of the chain, and what the library demands of keys
  madeOf(files, 'tlsCert', () => createSecureContext(context));
  return { context, expiresAtMs };
}

async function readSetting(files: CertificateSettings, name: keyof CertificateSettings): Promise<Buffer> {
  try {
    return await readFile(files[name]);
  } catch (error) {
    throw errorAt('bad_config', name, (error as Error).message);
  }
}

function madeOf<Made>(files: CertificateSettings, name: keyof CertificateSettings, make: () => Made): Made {
  try {
    return make();
  } catch (error) {
    throw errorAt('bad_config', name, `${files[name]}: ${(error as Error).message}`);
  }
}

export interface CertificateOptions {
  /** Hears what those who run the server should know. */
  readonly note: (line: string) => void;
  /** Epoch ms. */
  readonly clock: () => number;
}

export class CertificateFiles {
  readonly #files: CertificateSettings;
  readonly #watched: WatchedFile;
  readonly #options: CertificateOptions;
  readonly #servers: TlsServer[] = [];
  readonly #looking: NodeJS.Timeout;
  #last: Promise<void> = Promise.resolve();
  #certificate: Certificate;
  #isWarned = false;

  private constructor(
    files: CertificateSettings,
    watched: WatchedFile,
    certificate: Certificate,
    options: CertificateOptions,
  ) {
    this.#files = files;
    this.#watched = watched;
    this.#certificate = certificate;
    this.#options = options;
    this.#warn();
    this.#looking = setInterval(() => void this.look(), LOOK_MS);
    this.#looking.unref();
  }

  /** Rejects as readCertificate. */
  static async open(files: CertificateSettings, options: CertificateOptions): Promise<CertificateFiles> {
    const watched = new WatchedFile(files.tlsCert, files.tlsKey);
    let certificate: Certificate | undefined;
    // Files that have changed while they were read are read again
    while (certificate === undefined)
      certificate = await watched.look(() => readCertificate(files, options.clock()), true);
    return new CertificateFiles(files, watched, certificate, options);
  }

  /** What a listener is to be made with, which then follows. */
  get context(): SecureContextOptions {
    return this.#certificate.context;
  }

  /** Epoch ms. */
  get expiresAtMs(): number {
    return this.#certificate.expiresAtMs;
  }

  /** Gives a listener that was made with the context those that come after it. */
  follow(server: Server): void {
    this.#servers.push(server as TlsServer);
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
    this.#warn();
    const { note, clock } = this.#options;
    const read = () =>
      readCertificate(this.#files, clock()).then(
        (certificate) => ({ certificate }),
        (error: Error) => ({ error }),
      );
    const found = await this.#watched.look(read, anew);
    if (found === undefined) return;
    if ('error' in found) {
      note(`certificate not renewed, the one before is in force: ${found.error.message}`);
      return;
    }
    for (const server of this.#servers) server.setSecureContext(found.certificate.context);
    this.#certificate = found.certificate;
    this.#isWarned = false;
    note(`certificate taken anew, valid until ${new Date(this.expiresAtMs).toISOString()}`);
  }

  /** Says once that the certificate is about to expire. */
  #warn(): void {
    const { note, clock } = this.#options;
    const left = (this.expiresAtMs - clock()) / DAY_MS;
    if (left >= WARN_DAYS || this.#isWarned) return;
    this.#isWarned = true;
    note(`certificate ${this.#files.tlsCert} expires in ${left.toFixed(1)} days`);
  }
}
