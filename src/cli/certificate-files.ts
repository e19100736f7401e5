/**
 * The certificate that listeners show and its private key, two PEM files that fit each other. They are watched, so what a
 * renewing tool writes is shown to the next connection without a restart. A pair that cannot be taken, as one that is half
 * renewed, leaves in force what was.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Server } from 'node:net';
import { createSecureContext, type SecureContextOptions, type Server as TlsServer } from 'node:tls';
import { DAY_MS } from '../index/time.ts';
import { errorAt } from '../lib/errors.ts';
import { FollowedFiles } from './followed-files.ts';
import type { Settings } from './settings.ts';

/** What is to expire sooner is told of, once. */
const WARN_DAYS = 14;
const WARN_EVERY_MS = 60_000;

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

/** The certificate in force; listeners that follow show the next one when it comes. */
export class CertificateFiles {
  readonly #followed: FollowedFiles<Certificate>;
  readonly #servers: TlsServer[];
  readonly #warning: NodeJS.Timeout;

  private constructor(followed: FollowedFiles<Certificate>, servers: TlsServer[], warning: NodeJS.Timeout) {
    this.#followed = followed;
    this.#servers = servers;
    this.#warning = warning;
  }

  /** Rejects as readCertificate. */
  static async open(
    files: CertificateSettings,
    { note, clock }: CertificateOptions,
  ): Promise<CertificateFiles> {
    const servers: TlsServer[] = [];
    const followed = await FollowedFiles.open([files.tlsCert, files.tlsKey], {
      read: () => readCertificate(files, clock()),
      onChange: ({ context, expiresAtMs }) => {
        for (const server of servers) server.setSecureContext(context);
        note(`certificate taken anew, valid until ${new Date(expiresAtMs).toISOString()}`);
      },
      onProblem: ({ message }) => note(`certificate not renewed, the one before is in force: ${message}`),
    });
    let warnedOf: Certificate | undefined;
    const warn = () => {
      const certificate = followed.value;
      const left = (certificate.expiresAtMs - clock()) / DAY_MS;
      if (left >= WARN_DAYS || certificate === warnedOf) return;
      warnedOf = certificate;
      note(`certificate ${files.tlsCert} expires in ${left.toFixed(1)} days`);
    };
    warn();
    return new CertificateFiles(followed, servers, setInterval(warn, WARN_EVERY_MS).unref());
  }

  /** What a listener is to be made with, which then follows. */
  get context(): SecureContextOptions {
    return this.#followed.value.context;
  }

  /** Epoch ms. */
  get expiresAtMs(): number {
    return this.#followed.value.expiresAtMs;
  }

  /** Gives a listener that was made with the context those that come after it. */
  follow(server: Server): void {
    this.#servers.push(server as TlsServer);
  }

  /** As FollowedFiles. */
  look(anew = false): Promise<void> {
    return this.#followed.look(anew);
  }

  close(): void {
    clearInterval(this.#warning);
    this.#followed.close();
  }
}
