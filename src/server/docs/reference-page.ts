/** The API as a page: every operation with its fields, examples, codes, and a form that sends it. */

import { type JsonSchema, type OpenApi, type OpenApiOperation, TAGS } from '../openapi.ts';
import { EXAMPLES, type Example } from './examples.ts';
import { codeBlock, escapeHtml, inline, pageOf, paragraphs, prettyJson } from './html.ts';

interface Entry {
  readonly path: string;
  readonly method: string;
  readonly operation: OpenApiOperation;
}

export function referencePage(api: OpenApi): string {
  const entries: Entry[] = Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );
  const ofTag = (name: string) => entries.filter(({ operation }) => operation.tags.includes(name));
  const schemas = Object.entries(api.components.schemas);

  const contents = [
    ...TAGS.map(
      ({ name }) =>
        `<h2>${name}</h2><ul>${ofTag(name)
          .map(
            ({ method, operation }) =>
              `<li><a href="#${operation.operationId}"><span class="method ${method}">${method}</span> ${operation.operationId}</a></li>`,
          )
          .join('')}</ul>`,
    ),
    `<h2>schemas</h2><ul>${schemas.map(([name]) => `<li><a href="#schema-${name}">${name}</a></li>`).join('')}</ul>`,
  ].join('\n');

  const main = [
    `<h1>${escapeHtml(api.info.title)} <span class="status">API ${escapeHtml(api.info.version)}</span></h1>`,
    paragraphs(api.info.description),
    '<p class="key"><label for="key">Key for the requests of this page</label><input id="key" autocomplete="off" spellcheck="false"></p>',
    ...TAGS.map(
      ({ name, description }) =>
        `<section><h2 id="tag-${name}">${name}</h2><p>${inline(description)}</p>\n${ofTag(name)
          .map((entry) => entryOf(entry, api.components.schemas))
          .join('\n')}</section>`,
    ),
    '<section><h2 id="schemas">schemas</h2>',
    ...schemas.map(
      ([name, schema]) =>
        `<section id="schema-${name}" class="entry"><h3>${name}</h3>${schema.description ? `<p>${inline(schema.description)}</p>` : ''}${
          fieldsOf(schema) || `<p>${typeOf(schema)}</p>`
        }</section>`,
    ),
    '</section>',
  ].join('\n');
  return pageOf('API of nearpin', contents, main);
}

function entryOf({ path, method, operation }: Entry, schemas: OpenApi['components']['schemas']): string {
  /** The fields of a named schema, where they are looked for. */
  const shapeOf = ({ $ref = '' }: JsonSchema): string =>
    `<p>${linkTo($ref)}</p>${fieldsOf(schemas[nameOf($ref)] ?? {})}`;
  const { operationId, summary, description, parameters, requestBody, responses } = operation;
  const examples = EXAMPLES[operationId] ?? [];
  const named = parameters.filter(({ name }) => name !== undefined);
  const scope = operation['x-scope'];
  const answer = responses['200']!.content['application/json']!.schema;
  return `<section id="${operationId}" class="entry">
<h3><span class="method ${method}">${method}</span> <code>${escapeHtml(path)}</code></h3>
<p><strong>${inline(summary)}.</strong> ${description ? inline(description) : ''} ${
    scope === 'open' ? 'Needs no key.' : `Needs the scope <code>${scope}</code>.`
  }</p>
${
  named.length === 0
    ? ''
    : `<ul class="fields">${named
        .map(
          ({ name, in: place, required, description: text }) =>
            `<li><code>${name}</code> <span class="type">${place}${required ? ', required' : ''}</span> ${text ? inline(text) : ''}</li>`,
        )
        .join('')}</ul>`
}
${requestBody === undefined ? '' : `<details><summary>Body</summary>${shapeOf(requestBody.content['application/json']!.schema)}</details>`}
<details><summary>Answer</summary>${shapeOf(answer)}</details>
<details><summary>Codes</summary><p>${operation['x-error-codes'].map((code) => `<a href="/docs/errors#${code}"><code>${code}</code></a>`).join(' ')}</p></details>
${examples.map((example) => exampleOf(example, method, path)).join('\n')}
${formOf(operation, method, path, examples[0])}
</section>`;
}

/** Path and query of an example. */
export function addressOf(path: string, params: Readonly<Record<string, string>> = {}): string {
  const rest = new URLSearchParams();
  let filled = path;
  for (const [name, value] of Object.entries(params)) {
    if (filled.includes(`{${name}}`)) filled = filled.replace(`{${name}}`, encodeURIComponent(value));
    else rest.set(name, value);
  }
  const query = decodeURIComponent(rest.toString());
  return query === '' ? filled : `${filled}?${query}`;
}

/** An example as a command. */
export function curlOf({ params, body }: Example, method: string, path: string): string {
  const parts = [`curl -s http://127.0.0.1:8080${addressOf(path, params)}`];
  if (method !== (body === undefined ? 'GET' : 'POST')) parts.push(`-X ${method}`);
  if (body !== undefined) {
    parts.push("-H 'content-type: application/json'");
    parts.push(`-d '${JSON.stringify(body).replaceAll("'", "'\\''")}'`);
  }
  return parts.join(' \\\n  ');
}

function exampleOf(example: Example, method: string, path: string): string {
  return `<details class="example"><summary>Example: ${inline(example.summary)}</summary>
${codeBlock(curlOf(example, method, path))}
${codeBlock(prettyJson(example.answer))}
</details>`;
}

function formOf(operation: OpenApiOperation, method: string, path: string, example?: Example): string {
  const id = operation.operationId;
  const inputs = operation.parameters
    .filter(({ name, in: place }) => name !== undefined && place !== 'header')
    .map(({ name, in: place, required }) => {
      const value = escapeHtml(example?.params?.[name] ?? '');
      return `<label>${name} <input name="${name}" data-in="${place}" value="${value}"${required ? ' required' : ''}></label>`;
    });
  const body =
    operation.requestBody === undefined
      ? ''
      : `<label>Body <textarea name="" data-in="body" rows="8" spellcheck="false">${escapeHtml(prettyJson(example?.body ?? {}))}</textarea></label>`;
  return `<details><summary>Send it</summary>
<form data-method="${method}" data-path="${escapeHtml(path)}" aria-label="${id}">
${[...inputs, body].join('\n')}
<button type="submit">${method}</button> <output></output>
<pre tabindex="0" hidden></pre>
</form></details>`;
}

const nameOf = (reference: string): string => reference.split('/').at(-1)!;

const linkTo = (reference: string): string => {
  const name = nameOf(reference);
  return `<a href="#schema-${name}">${name}</a>`;
};

/** A type in a few words. */
function typeOf(schema: JsonSchema): string {
  if (schema.$ref !== undefined) return linkTo(schema.$ref);
  if (schema.enum !== undefined)
    return schema.enum.map((each) => `<code>${escapeHtml(JSON.stringify(each))}</code>`).join(' | ');
  if (schema.const !== undefined) return `<code>${escapeHtml(JSON.stringify(schema.const))}</code>`;
  if (schema.anyOf !== undefined) return schema.anyOf.map(typeOf).join(' | ');
  if (schema.type === 'array') {
    const most = schema.maxItems === undefined ? '' : `, at most ${schema.maxItems}`;
    return `list of ${typeOf(schema.items ?? {})}${most}`;
  }
  if (schema.patternProperties !== undefined)
    return `object of ${Object.values(schema.patternProperties).map(typeOf).join(' | ')}`;
  if (schema.format === 'binary') return 'bin';
  return schema.type ?? 'anything';
}

function rangeOf({ minimum, exclusiveMinimum, maximum, default: absent }: JsonSchema): string {
  return [
    minimum !== undefined && `from ${minimum}`,
    exclusiveMinimum !== undefined && `over ${exclusiveMinimum}`,
    maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER && `to ${maximum}`,
    absent !== undefined && `${JSON.stringify(absent)} when absent`,
  ]
    .filter(Boolean)
    .join(', ');
}

/** The objects that a schema describes itself, in place of by name. */
function inner(schema: JsonSchema): JsonSchema[] {
  if (schema.properties !== undefined) return [schema];
  return [...(schema.anyOf ?? []), ...(schema.items ? [schema.items] : [])].flatMap(inner);
}

function fieldsOf(schema: JsonSchema): string {
  return inner(schema)
    .map((each) => {
      const fields = Object.entries(each.properties!).map(([name, field]) => {
        const required = each.required?.includes(name) ? ', required' : '';
        const range = rangeOf(field);
        return `<li><code>${name}</code> <span class="type">${typeOf(field)}${range && `, ${range}`}${required}</span> ${
          field.description ? inline(field.description) : ''
        }${fieldsOf(field)}</li>`;
      });
      return fields.length === 0 ? '' : `<ul class="fields">${fields.join('')}</ul>`;
    })
    .join('');
}
