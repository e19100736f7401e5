/**
 * What each code of the error table means to whoever meets it, and what to do about it: the text of docs/errors.md and of
 * /docs/errors. The compiler holds it complete; a test sends the requests and finds the answers that stand here.
 */
import type { ErrorCode } from '../../lib/errors.ts';

export interface ErrorHelp {
  readonly cause: string;
  readonly remedy: string;
  readonly example: {
    /** As in an answer; the title, where it says no more than that. */
    readonly detail?: string;
    /** Of the value that is wrong. */
    readonly path?: string;
    /** What is refused so, by the index of the examples (`examples.ts`). */
    readonly request?: {
      readonly method?: string;
      readonly path: string;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: unknown;
    };
  };
}

const query = (body: object) => ({ path: '/v1/indexes/pins/query', body });
const upsert = (...pins: object[]) => ({ method: 'PUT', path: '/v1/indexes/pins/pins', body: { pins } });
const LAMP = [0.9, 0.1, 0, 0.2];

export const ERROR_GUIDE: Readonly<Record<ErrorCode, ErrorHelp>> = {
  bad_request: {
    cause:
      'A field is missing, unknown, of the wrong type or outside of its range, or the address is not well formed.',
    remedy:
      'Correct the values at the paths that `errors` lists; the schema of the request says what each may be.',
    example: {
      detail: 'limit: is not a known field',
      path: 'limit',
      request: query({ vector: LAMP, limit: 5 }),
    },
  },
  bad_json: {
    cause:
      'The body is not JSON in UTF-8, has the same key twice in an object, is nested too deeply, or has a key that reaches a prototype (`__proto__`, `constructor`).',
    remedy: 'Send what a JSON library writes; do not put bodies together by hand.',
    example: {
      detail: 'filter.__proto__: is not allowed as a key',
      path: 'filter.__proto__',
      request: { path: '/v1/indexes/pins/query', body: '{"filter": {"__proto__": {}}}' },
    },
  },
  bad_msgpack: {
    cause:
      'The body is not one whole msgpack value, or uses what this API does not: extension types, keys that are no strings or occur twice.',
    remedy:
      'Send the whole body with its true length, without private extensions (in msgpackr: `useRecords: false`).',
    example: {
      detail: 'The body holds the reserved byte c1',
      request: {
        path: '/v1/indexes/pins/query',
        headers: { 'content-type': 'application/msgpack' },
        body: '\u00c1',
      },
    },
  },
  bad_dim: {
    cause: 'A vector has more or fewer components than the index has dimensions.',
    remedy:
      'Make the vector with the model of the index; `config.dim` of the index says how long it must be. In msgpack, `bin` has 4 bytes a component.',
    example: {
      detail: 'vector: has 3 dimensions where the index has 4',
      path: 'vector',
      request: query({ vector: [0.9, 0.1, 0] }),
    },
  },
  bad_vector: {
    cause:
      'A component of a vector is no finite 32-bit number, or the vector is too long for distances to be computed.',
    remedy: 'Look for NaN, infinity or null where the vector is made.',
    example: {
      detail: 'vector[1]: is not a number',
      path: 'vector[1]',
      request: query({ vector: [0.9, null, 0, 0.2] }),
    },
  },
  zero_vector: {
    cause:
      'Under cosine a vector needs a direction. This one is zero; or seeds and negatives cancel out; or no word of a text is known to the model.',
    remedy: 'Leave out the pin or the text that the vector was made of; it says nothing.',
    example: {
      detail: 'vector: is zero',
      path: 'vector',
      request: query({ vector: [0, 0, 0, 0] }),
    },
  },
  bad_pin_id: {
    cause: 'A pin id is neither a string of 1 to 128 bytes nor a whole number.',
    remedy: 'Send ids as strings; shorten longer ones by a hash before they are written.',
    example: {
      detail: 'exclude[0]: must not be empty',
      path: 'exclude[0]',
      request: query({ vector: LAMP, exclude: [''] }),
    },
  },
  bad_attribute: {
    cause:
      'A pin to write has an attribute that the index does not declare, or of another type than declared.',
    remedy:
      'Compare with `config.attributes` of the index; what is not to be filtered by belongs into the payload.',
    example: {
      detail: 'pins[0].attributes.price: must be a finite number',
      path: 'pins[0].attributes.price',
      request: upsert({ id: 'lamp-9', vector: LAMP, attributes: { price: 'cheap' } }),
    },
  },
  bad_filter: {
    cause:
      'A filter names an attribute that the index does not declare, an operator that there is not, or a value of the wrong type; or it is too large.',
    remedy: 'Compare with `config.attributes` of the index. The path leads to the condition.',
    example: {
      detail: 'filter.color: is not a declared attribute',
      path: 'filter.color',
      request: query({ vector: LAMP, filter: { color: 'brass' } }),
    },
  },
  bad_config: {
    cause:
      'The config of an index, a model or a mixer file holds an unknown field or a value out of its range.',
    remedy: 'Correct the value at the path.',
    example: {
      detail: 'config.dim: must be a whole number from 2 to 4096',
      path: 'config.dim',
      request: { method: 'PUT', path: '/v1/indexes/other', body: { dim: 1 } },
    },
  },
  limit_exceeded: {
    cause: 'A number or the length of a list or text is over its limit (`src/lib/limits.ts`).',
    remedy: 'Ask for less at once, or in several requests.',
    example: {
      detail: 'k: must be <= 1000',
      path: 'k',
      request: query({ vector: LAMP, k: 5000 }),
    },
  },
  unauthorized: {
    cause:
      'The server asks for a key, and the request has none, or one that it does not know or no longer takes.',
    remedy: 'Send `Authorization: Bearer …` with a key or a token that has not run out.',
    example: { detail: 'A key is needed' },
  },
  forbidden: {
    cause:
      'The key or token is good, and lacks the scope of the route or the index; an index that is not there counts as lacking.',
    remedy:
      '`WWW-Authenticate` names the scope. `nearpin keys list` shows what a key has; make one that has more.',
    example: { detail: 'The scope write is not granted' },
  },
  unknown_key: {
    cause: '`nearpin keys revoke` was given a name that no key has.',
    remedy: '`nearpin keys list` shows the names.',
    example: { detail: 'there is no key web' },
  },
  unknown_index: {
    cause: 'The server has no index of that name, and no alias.',
    remedy:
      '`GET /v1/indexes` lists what there is. An index that was built after the server started is not seen by it.',
    example: {
      detail: 'index: there is no index pines',
      path: 'index',
      request: { method: 'GET', path: '/v1/indexes/pines' },
    },
  },
  unknown_generation: {
    cause: 'The index has no generation of that name; old ones are removed.',
    remedy: '`GET /v1/indexes/{index}/generations` lists those that are there.',
    example: {
      detail: 'there is no generation "999999"',
      request: { method: 'PUT', path: '/v1/indexes/pins/generation', body: { generation: '999999' } },
    },
  },
  unknown_alias: {
    cause: 'There is no alias of that name.',
    remedy: '`GET /v1/aliases` lists them.',
    example: {
      detail: 'there is no alias staging',
      request: { method: 'DELETE', path: '/v1/aliases/staging' },
    },
  },
  unknown_pin: {
    cause: 'The index has no pin of that id: it was never written, or deleted.',
    remedy: 'Leave it out. Seeds that may be gone are better asked for one by one in a batch.',
    example: {
      detail: 'pins[1]: there is no pin gone in pins',
      path: 'pins[1]',
      request: { path: '/v1/indexes/pins/related', body: { pins: ['lamp-1', 'gone'] } },
    },
  },
  unknown_operation: {
    cause:
      'A GraphQL request names an operation that is not on the list of the server, or sends a document where only listed ones are answered.',
    remedy: 'Have the document put on the list (`--graphql-operations`), and send its id.',
    example: { detail: 'there is no operation pins-of-a-board' },
  },
  unknown_route: {
    cause: 'The server has nothing at this address.',
    remedy: 'Compare it with /docs; a part of the path that holds `/` must be percent-encoded.',
    example: {
      detail: 'There is no route GET /v2/indexes',
      request: { method: 'GET', path: '/v2/indexes' },
    },
  },
  method_not_allowed: {
    cause: 'There is something at this address, but not for this method.',
    remedy: 'Use one of the methods that the header `Allow` lists.',
    example: {
      detail: '/v1/indexes/pins/query takes POST, OPTIONS',
      request: { method: 'GET', path: '/v1/indexes/pins/query' },
    },
  },
  not_acceptable: {
    cause: 'The header Accept names only media types that this API does not produce.',
    remedy: 'Accept `application/json` or `application/msgpack`, or leave the header out.',
    example: {
      detail: 'accept: this API produces application/json and application/msgpack',
      path: 'accept',
      request: { method: 'GET', path: '/v1/indexes', headers: { accept: 'application/xml' } },
    },
  },
  model_mismatch: {
    cause: 'The request names the model that made its vectors, and the index was made by another.',
    remedy: 'Make the vectors with the model that the index names, or ask an index of the new model.',
    example: {
      detail: 'model: index pins does not name its model, so it cannot be clip@2',
      path: 'model',
      request: query({ vector: LAMP, model: 'clip@2' }),
    },
  },
  no_model: {
    cause: 'A text is to be embedded, and the index was built from vectors without naming a model.',
    remedy: 'Send the vector of the text, or search by words (`"mode": "lexical"`).',
    example: {
      detail: 'Index pins was built without a model: search it by vector',
      request: { path: '/v1/indexes/pins/search', body: { text: 'brass lamp' } },
    },
  },
  write_conflict: {
    cause: 'A write has a condition (`ifSeq`, `ifAbsent`), and the pin was written since, or is there.',
    remedy: 'Read the pin again, and write with its `seq`.',
    example: {
      detail: 'pins[0].ifAbsent: the pin was written by 1',
      path: 'pins[0].ifAbsent',
      request: upsert({ id: 'lamp-1', vector: LAMP, ifAbsent: true }),
    },
  },
  log_trimmed: {
    cause: 'The generation to publish is so old that the updates after it are no longer kept.',
    remedy: 'Publish a newer one: those with `canPublish`. Or build one anew.',
    example: { detail: 'the updates after generation 000001 are no longer kept' },
  },
  index_exists: {
    cause: 'The name is taken by an index with another config, or by an alias.',
    remedy: 'Choose another name, or remove what has it.',
    example: {
      detail: 'index: index pins is there, with another config',
      path: 'index',
      request: { method: 'PUT', path: '/v1/indexes/pins', body: { dim: 16 } },
    },
  },
  read_only_engine: {
    cause: 'The server runs on an engine that is made for comparison (`--engine hnswlib` or `exact`).',
    remedy: 'Write to a server with `--engine wasm`.',
    example: { detail: 'the engine hnswlib takes no writes' },
  },
  index_locked: {
    cause: 'Another process has the index open for writing, on the same disk.',
    remedy: 'Write through that process, or end it.',
    example: { detail: 'process 4711 writes to indexes/pins' },
  },
  body_too_large: {
    cause: 'The body has more bytes than the server takes (`--body-limit-bytes`, 8 MiB by default).',
    remedy: 'Send it in parts; vectors as msgpack `bin` take a fifth of their JSON.',
    example: { detail: 'The body is longer than this server takes' },
  },
  unsupported_media_type: {
    cause: 'The body is of another media type than JSON and msgpack, or it is packed (Content-Encoding).',
    remedy: 'Set Content-Type to `application/json` or `application/msgpack`, and send the body as it is.',
    example: {
      detail: 'content-type: must be application/json or application/msgpack',
      path: 'content-type',
      request: {
        path: '/v1/indexes/pins/query',
        headers: { 'content-type': 'text/plain' },
        body: '{}',
      },
    },
  },
  bad_pin: {
    cause:
      'A pin to write has an unknown field, neither vector nor text nor a change, or a payload that is no JSON value.',
    remedy: 'Correct the pin at the path; none of the request was written.',
    example: {
      detail: 'pins[0]: needs either a vector or a text, and not both',
      path: 'pins[0]',
      request: upsert({ id: 'lamp-9', vector: LAMP, text: 'Lamp' }),
    },
  },
  misdirected_request: {
    cause:
      'A server on loopback that asks for no key was asked by another name than `localhost` or an address. A web page could lead a browser to it by such a name (DNS rebinding).',
    remedy:
      'Ask by `127.0.0.1` or `localhost`; have a proxy in front send that as `Host`. Where the server is to go by a name, give it keys (`--keys-file`).',
    example: { detail: 'A server that asks for no key answers by localhost or an address alone' },
  },
  bad_case: {
    cause: 'A line of an evaluation (`nearpin eval`) is not a request with its relevant pins.',
    remedy: 'Correct the line that the message names.',
    example: { detail: 'cases.jsonl:3: relevant: must hold at least one pin' },
  },
  bad_file: {
    cause:
      'An input file of a job (`nearpin build`, `train`, `eval`) is damaged, empty or of an unknown kind.',
    remedy: 'Look at the place that the message names; `nearpin build --skip-bad` leaves bad lines out.',
    example: { detail: 'pins.npy: at byte 0: is no .npy file' },
  },
  duplicate_pin: {
    cause: 'The same pin id occurs twice in one write, or in the input of a build.',
    remedy: 'Keep the one that is meant.',
    example: {
      detail: 'pins[1]: the pin "lamp-9" occurs more than once',
      path: 'pins[1]',
      request: upsert({ id: 'lamp-9', vector: LAMP }, { id: 'lamp-9', vector: LAMP }),
    },
  },
  rate_limited: {
    cause:
      'The key, or the address where there are no keys, has made more requests than it may (`--rate-per-second`); or too many came from an address without a right key.',
    remedy:
      'Wait for `Retry-After`, and spread requests; a batch counts as one. Who sends a wrong key needs another one.',
    example: { detail: 'More requests came than the key may make' },
  },
  too_many_writes: {
    cause: 'More pins wait to be written than the server keeps in memory.',
    remedy:
      'Wait for `Retry-After`, and send fewer writes at once. The clients of this project do so by themselves.',
    example: { detail: '4096 pins are waiting to be written' },
  },
  too_many_measurements: {
    cause: 'The recall of the index is being measured for another request; a measurement takes all threads.',
    remedy: 'Wait for `Retry-After`, and measure an index from one place.',
    example: { detail: 'the recall of index pins is being measured already' },
  },
  shard_full: {
    cause: 'A shard has reached the memory that one can have (4 GiB), or that the machine gives it.',
    remedy: 'Build the index anew with more shards, or delete pins. Searching goes on meanwhile.',
    example: { detail: 'the shard is full at 5242880 pins' },
  },
  disk_full: {
    cause: 'The disk has no room for the update log, the pin store or a new generation.',
    remedy: 'Make room; the server takes writes again by itself. Searching goes on meanwhile.',
    example: { detail: 'indexes/pins takes no more updates: no space left on device' },
  },
  not_enough_memory: {
    cause:
      'An index does not fit the memory that is left, as estimated from its files before they are loaded.',
    remedy: 'Give the machine or the container more memory, or serve fewer indexes.',
    example: { detail: 'the index needs 6.1 GB, 2.0 GB are there' },
  },
  corrupt_file: {
    cause:
      'A file of the index or of a model does not have the checksum or the structure that it should have.',
    remedy:
      '`nearpin verify` finds out what is damaged. Publish another generation, or copy this one anew. Other indexes are not concerned.',
    example: { detail: 'shard-000.seg: the checksum does not match' },
  },
  unsupported_version: {
    cause: 'A file was written by a newer version of nearpin, or by one that is too old.',
    remedy: 'Use the version that wrote it, or build the index anew.',
    example: { detail: 'shard-000.seg was written by a newer version of the core' },
  },
  missing_file: {
    cause: 'A file that the manifest of the index or a model needs is not there.',
    remedy: 'Copy the whole generation; publish another one meanwhile.',
    example: { detail: 'shard-001.seg: there is no such file' },
  },
  core_trap: {
    cause: 'The search core met a state that it does not know and stopped. Other requests are not concerned.',
    remedy: 'Repeat the request. If it comes back, run `nearpin verify` and report it with the request id.',
    example: {},
  },
  deadline_exceeded: {
    cause:
      'The time of `deadlineMs` passed before anything was found. What is found in time is answered, with `coverage.degraded`.',
    remedy: 'Give it more time, or ask for less: a smaller `ef`, a smaller batch, no `exact`.',
    example: { detail: 'The deadline passed before anything was found' },
  },
  overloaded: {
    cause: 'The server has more to do than it can in time.',
    remedy: 'Wait for `Retry-After`, with growing pauses. If it lasts, give the service more processes.',
    example: { detail: 'More requests wait than can be answered in time' },
  },
  auth_unavailable: {
    cause: 'A token came whose key the server does not have, and the issuer cannot be reached to ask for it.',
    remedy:
      'Try again after `Retry-After`. Who runs the server finds on its log why the JWKS cannot be fetched.',
    example: { detail: "The issuer's keys cannot be had" },
  },
  audit_unavailable: {
    cause: 'The audit log cannot be written, so nothing is changed; reading goes on.',
    remedy:
      'Try again after `Retry-After`. Who runs the server makes room on the disk, or corrects `auditLog`.',
    example: { detail: 'Changes cannot be recorded just now' },
  },
  not_ready: {
    cause: 'An index is still loading, or the server is ending.',
    remedy: 'Wait for `Retry-After`, or ask another server; `/readyz` tells when it is ready.',
    example: { detail: 'Index pins is still loading' },
  },
  closed: {
    cause: 'The index was removed or closed while the request was under way.',
    remedy: 'Repeat the request; it then meets the state after that.',
    example: { detail: 'the index is closed' },
  },
  model_unavailable: {
    cause: 'The model of the index cannot be loaded: its folder or its library is not there, or it stopped.',
    remedy: 'Start the server with `--model-dir`, install `@xenova/transformers`, or search by vector.',
    example: { detail: 'The model clip@2 is not loaded: search by vector' },
  },
  engine_unavailable: {
    cause: 'The engine that was chosen (`--engine hnswlib`) is not installed.',
    remedy: '`npm install hnswlib-node`, which needs a compiler, or use the engine `wasm`.',
    example: { detail: 'hnswlib-node is not installed' },
  },
  not_supported: {
    cause:
      'The server, or the engine it runs on, does not have this operation: indexes that are given cannot be made or removed.',
    remedy: 'Use a server that was started with `nearpin serve` and the engine `wasm`.',
    example: { detail: 'the indexes of this server are given' },
  },
  interrupted: {
    cause: 'A job of the command line was ended by a signal.',
    remedy: 'Start it again; nothing was published.',
    example: { detail: 'SIGINT: the index is as it was' },
  },
  low_recall: {
    cause: '`nearpin verify` measured less recall than was demanded.',
    remedy: 'Search with a greater `ef`, or build with greater `--m` and `--ef-construction`.',
    example: { detail: 'recall@10 is 0.91 where 0.95 is demanded' },
  },
  auth_required: {
    cause: '`serve` was told to listen where others can reach it, and nothing says who may do what.',
    remedy: 'Give `--keys-file` or `--jwks`, or listen on 127.0.0.1.',
    example: { detail: 'others can reach 0.0.0.0: give --keys-file or --jwks, or listen on 127.0.0.1' },
  },
  io_error: {
    cause: 'The disk or the file system failed.',
    remedy: 'Look into the log of the server, which tells the file, and at the disk.',
    example: {},
  },
  internal: {
    cause: 'A fault of nearpin itself.',
    remedy: 'Report it with the request id; the log of the server has the rest.',
    example: {},
  },
};
