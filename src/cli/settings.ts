/**
 * What a server can be told, in one schema. From it come the flags, the environment variables (NEARPIN_ and the flag's name
 * in capitals), the file that `--config` names (JSON, with the names as they stand here) and `nearpin config`. A flag wins
 * over the environment, that over the file, that over the default.
 */
import { availableParallelism } from 'node:os';
import { type Command, InvalidArgumentError, type Option } from 'commander';
import Type, { type Static, type TSchema } from 'typebox';
import { ENGINE_NAMES } from '../engines/engine.ts';
import { NearpinError } from '../lib/errors.ts';
import { LIMITS } from '../lib/limits.ts';
import { ADMISSION_DEFAULTS } from '../server/overload/door.ts';
import { compileCheck } from '../server/validate.ts';
import { readJson } from './json-file.ts';
import { LOG_LEVELS } from './log.ts';
import { option, whole } from './options.ts';

const optional = Type.Optional;
const on = (description: string) => Type.Boolean({ description, default: false });
const file = (description: string) => Type.String({ description, value: 'file', minLength: 1 });
const dir = (description: string) => Type.String({ description, value: 'dir', minLength: 1 });

/** A whole number; the flag's value is called n. */
const number = (minimum: number, maximum: number, description: string, byDefault?: number) =>
  Type.Integer({ minimum, maximum, description, ...(byDefault !== undefined && { default: byDefault }) });

/** A share of a whole. */
const share = (description: string, byDefault: number) =>
  Type.Number({ minimum: 0, maximum: 1, description, default: byDefault });

export const SETTINGS = {
  indexes: Type.String({ description: 'directory of indexes', value: 'dir', default: 'indexes' }),
  host: Type.String({ description: 'address to listen on', value: 'address', default: '127.0.0.1' }),
  port: number(0, 65_535, 'port to listen on; 0 picks a free one', 8080),
  adminHost: Type.String({
    description: 'address of the listener for administration and metrics',
    value: 'address',
    default: '127.0.0.1',
  }),
  adminPort: optional(
    number(0, 65_535, 'its port (default: 8081 where others can reach --host, else --port does for both)'),
  ),
  healthPort: optional(
    number(
      0,
      65_535,
      'port of --host, without TLS, at which a thread of its own answers /livez and /readyz alone; 0 picks a free one',
    ),
  ),
  keysFile: optional(file('API keys that are let in, of `nearpin keys`; read again when it changes')),
  jwks: optional(
    Type.String({
      description: 'let in tokens (JWTs) signed with these keys: a JWKS file, or an https URL',
      value: 'source',
      minLength: 1,
    }),
  ),
  jwtIssuer: optional(Type.String({ description: 'who must have made a token', value: 'name' })),
  jwtAudience: optional(Type.String({ description: 'for whom it must be', value: 'name' })),
  jwtAlgorithms: Type.String({
    description: 'how it may be signed',
    value: 'list',
    default: 'RS256,PS256,ES256,EdDSA',
  }),
  jwtToleranceS: number(0, 600, 'by how many seconds the clock of the issuer may differ', 30),
  auditLog: optional(
    file('append who changed what, and who was not let in, to it; changes wait for it; SIGHUP opens it anew'),
  ),
  bodyLimitBytes: number(1024, 1 << 30, 'largest request body', LIMITS.bodyBytesDefault),
  tlsCert: optional(file('certificate for https, PEM with its chain; taken anew when it changes')),
  tlsKey: optional(file('private key of the certificate, PEM')),
  drainMs: number(0, 600_000, 'time between SIGTERM and the end of listening', 0),
  maxWaitMs: number(
    1,
    600_000,
    'requests that would wait for longer are refused, in milliseconds',
    ADMISSION_DEFAULTS.maxWaitMs,
  ),
  maxInFlight: number(
    1,
    100_000,
    'requests that are answered at a time, at most',
    ADMISSION_DEFAULTS.maxInFlight,
  ),
  ratePerSecond: optional(
    number(1, 1_000_000, 'requests per second of each key, or of each address where there are no keys'),
  ),
  corsOrigins: Type.Array(Type.String({ pattern: '^https?://[^/\\s*,]+$' }), {
    description: 'origins of other sites whose pages may ask, as https://example.org',
    default: [],
  }),
  logLevel: Type.Enum(LOG_LEVELS, { description: 'least level that is logged on stderr', default: 'info' }),
  accessLog: on('log every request'),
  slowQueryMs: number(0, 3_600_000, 'requests that take longer are logged, with what they took where', 1000),
  traces: optional(
    Type.String({
      description:
        'send traces to this collector (OpenTelemetry, OTLP over HTTP; OTEL_EXPORTER_OTLP_ENDPOINT)',
      value: 'url',
      pattern: '^https?://',
    }),
  ),
  tracesShare: share('share of requests that are traced, of those that come without a trace', 1),
  recallShare: share('share of live searches that are asked again exactly, for their recall', 0.01),
  exposures: optional(file('append what experiments and shadows record to it; SIGHUP opens it anew')),
  graphqlOperations: optional(file('documents by ids, as JSON, that GraphQL requests can name')),
  graphqlOperationsOnly: on('answer no GraphQL but those documents'),
  graphqlIntrospection: optional(
    Type.Boolean({ description: 'let the GraphQL schema be asked for (default: on loopback without keys)' }),
  ),
  engine: Type.Enum(ENGINE_NAMES, { description: 'what searches', default: 'wasm' }),
  workers: Type.Integer({
    minimum: 1,
    maximum: LIMITS.readersMax - 1,
    description: 'search threads (default: cores - 1, at least 1)',
    default: Math.max(1, availableParallelism() - 1),
  }),
  modelDir: optional(dir('folder in which models lie, each in a folder of its name')),
  allowDownload: on('let a model be fetched from the hub when no folder has it'),
} as const satisfies Record<string, TSchema>;

export type SettingName = keyof typeof SETTINGS;
const SCHEMA = Type.Object(SETTINGS);
export type Settings = Readonly<Static<typeof SCHEMA>>;

export const SETTING_NAMES = Object.keys(SETTINGS) as SettingName[];

/** Where a setting was made; `none` where it was not and has no default. */
export type Origin = 'flag' | 'environment' | 'file' | 'default' | 'none';

export interface SettingsInForce {
  readonly settings: Settings;
  readonly origins: Readonly<Record<SettingName, Origin>>;
}

/** What a schema says of a setting. */
export interface Described {
  readonly type?: string;
  readonly description: string;
  readonly default?: unknown;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  /** Of a list, which a flag separates by commas. */
  readonly items?: { readonly pattern: string };
  /** What the help calls its value. */
  readonly value?: string;
}

export const DESCRIBED = SETTINGS as unknown as Readonly<Record<SettingName, Described>>;

export const flagOf = (name: string): string =>
  `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

function optionOf(name: SettingName): Option {
  const said = DESCRIBED[name];
  const flag = flagOf(name);
  let made: Option;
  if (said.type === 'boolean')
    made = option(`${flag} [on]`, said.description).preset('true').argParser(trueOrFalse);
  else if (said.enum) made = option(`${flag} <name>`, said.description).choices(said.enum);
  else if (said.type === 'integer')
    made = option(`${flag} <n>`, said.description).argParser(whole(said.minimum!, said.maximum!));
  else if (said.items) made = option(`${flag} <list>`, said.description).argParser(listOf(said.items));
  else if (said.type === 'number')
    made = option(`${flag} <n>`, said.description).argParser(real(said.minimum!, said.maximum!));
  else made = option(`${flag} <${said.value ?? 'text'}>`, said.description);
  return said.default === undefined || said.default === false ? made : made.default(said.default);
}

/** A list of texts, separated by commas. */
function listOf({ pattern }: { readonly pattern: string }): (text: string) => string[] {
  return (text) => {
    const list = text === '' ? [] : text.split(',').map((each) => each.trim());
    const wrong = list.find((each) => !new RegExp(pattern).test(each));
    if (wrong !== undefined) throw new InvalidArgumentError(`${wrong} does not match ${pattern}.`);
    return list;
  };
}

/** Parses a number in [min, max]. */
function real(min: number, max: number): (text: string) => number {
  return (text) => {
    const n = Number(text);
    if (text.trim() === '' || !(n >= min && n <= max))
      throw new InvalidArgumentError(`It must be a number from ${min} to ${max}.`);
    return n;
  };
}

function trueOrFalse(text: string): boolean {
  if (text === 'true' || text === 'false') return text === 'true';
  throw new InvalidArgumentError('It must be true or false.');
}

/** The flags of a command that reads settings. */
export const settingOptions = (): Option[] => [
  option('--config <file>', 'JSON with settings by name; flags and environment win over it'),
  ...SETTING_NAMES.map(optionOf),
];

/** The settings of a command that was parsed. Throws bad_config with the place in the file, or io_error. */
export async function readSettings(command: Command): Promise<SettingsInForce> {
  const given = command.opts<Partial<Settings> & { config?: string }>();
  const inFile = given.config === undefined ? {} : await readSettingsFile(given.config);
  const origins = {} as Record<SettingName, Origin>;
  const settings: Record<string, unknown> = {};
  for (const name of SETTING_NAMES) {
    const source = command.getOptionValueSource(name);
    const said = DESCRIBED[name];
    let value: unknown;
    if (source === 'cli' || source === 'env') {
      origins[name] = source === 'cli' ? 'flag' : 'environment';
      value = given[name];
    } else if (Object.hasOwn(inFile, name)) {
      origins[name] = 'file';
      value = inFile[name];
    } else {
      origins[name] = said.default === undefined ? 'none' : 'default';
      value = said.default;
    }
    if (value !== undefined) settings[name] = value;
  }
  return { settings: settings as Settings, origins };
}

async function readSettingsFile(path: string): Promise<Partial<Settings>> {
  const read = await readJson(path);
  // Not before a file is there to check: to compile the schema takes longer than many a command
  const checkFile = compileCheck(Type.Partial(SCHEMA, { additionalProperties: false }));
  try {
    checkFile(read);
  } catch (error) {
    const { message, details } = error as NearpinError;
    throw new NearpinError('bad_config', `${path}: ${message}`, details);
  }
  return read as Partial<Settings>;
}
