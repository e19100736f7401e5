/**
 * What the page does, in the browser: the address after # says what is shown, so that every step is a link and
 * the back button works. Text from the index reaches the document only as text nodes and attributes.
 */
export const SCRIPT = String.raw`
'use strict';
const byId = (id) => document.getElementById(id);
const K = 30;
let indexes = [];
let asked = 0;

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

async function call(path, body) {
  const started = performance.now();
  const response = await fetch(path, body === undefined ? {} : {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.detail + ' (' + answer.code + ')');
  return { answer, roundTripMs: performance.now() - started };
}

const address = (...parts) => '#/' + parts.map(encodeURIComponent).join('/');
const at = (name) => '/v1/indexes/' + encodeURIComponent(name);

function decodePart(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function titleOf(pin) {
  const { payload } = pin;
  const title = payload && (payload.title ?? payload.name ?? payload.text);
  return typeof title === 'string' && title !== '' ? title : pin.id;
}

function pictureOf(pin) {
  const source = pin.payload && (pin.payload.image ?? pin.payload.imageUrl ?? pin.payload.thumbnail);
  if (typeof source === 'string' && /^(https:|data:image\/|\/)/.test(source))
    return make('img', { src: source, alt: '', loading: 'lazy' });
  // Without a picture: a tile whose colour and height are the pin's own.
  let hash = 7;
  for (const character of pin.id) hash = (hash * 31 + character.codePointAt(0)) >>> 0;
  const tile = make('div', { className: 'tile', textContent: [...titleOf(pin)][0] });
  tile.setAttribute('aria-hidden', 'true');
  tile.style.background = 'linear-gradient(135deg, hsl(' + (hash % 360) + ' 45% 42%), hsl(' + ((hash + 50) % 360) + ' 50% 32%))';
  tile.style.height = 90 + (hash % 5) * 28 + 'px';
  return tile;
}

function shown(value, type) {
  if (Array.isArray(value)) return value.join(', ');
  return type === 'time' ? new Date(value).toISOString().slice(0, 16).replace('T', ' ') : value;
}

function chipsOf(index, pin) {
  const entries = Object.entries(pin.attributes ?? {});
  if (entries.length === 0) return [];
  const types = index.config.attributes ?? {};
  return [make('ul', { className: 'chips' }, ...entries.map(([name, value]) =>
    make('li', { textContent: name + ': ' + shown(value, types[name]) })))];
}

function cardOf(index, pin, meter) {
  const title = titleOf(pin);
  const text = make('div', { className: 'text' }, make('p', { className: 'title', textContent: title }));
  if (title !== pin.id) text.append(make('p', { className: 'id', textContent: pin.id }));
  if (meter) text.append(make('p', { className: 'score' },
    make('meter', { min: 0, max: 1, value: meter(pin.score), ariaHidden: 'true' }),
    make('span', { textContent: 'score ' + pin.score.toFixed(3) })));
  text.append(...chipsOf(index, pin));
  return make('a', { className: 'card', href: address(index.name, 'related', pin.id), title: 'Related to ' + title },
    pictureOf(pin), text);
}

/** Maps scores to 0..1: cosine similarity as it is, others between the worst and the best hit. */
function meterFor(index, hits) {
  if (index.config.metric === 'cosine') return (score) => Math.max(0, score);
  const best = hits[0]?.score ?? 1;
  const worst = hits.at(-1)?.score ?? 0;
  return (score) => (best === worst ? 1 : (score - worst) / (best - worst));
}

function showProblem(message) {
  byId('status').className = 'problem';
  byId('status').textContent = message;
  byId('hits').replaceChildren();
}

function showIndex(index) {
  byId('index').value = index.name;
  byId('index').hidden = false;
  const withModel = index.model !== null;
  byId('words').placeholder = withModel ? 'Search in words' : 'Id of a pin (this index has no text model)';
  byId('words-label').textContent = withModel ? 'Search in words' : 'Id of a pin';
  byId('facts').textContent = [
    index.count.toLocaleString('en') + ' pins', index.config.dim + ' dimensions', index.config.metric,
    index.model ?? 'no model', index.engine + ' engine', 'generation ' + index.generation,
  ].join(' · ');
}

/** What to ask for an address: the heading, the request, and the seed to show. */
async function plan(index, mode, subject) {
  const include = ['payload', 'attributes'];
  if (mode === 'search')
    return { heading: 'Search: ' + subject, path: '/search', body: { text: subject, k: K, include } };
  if (mode === 'related') {
    const { answer: seed } = await call(at(index.name) + '/pins/' + encodeURIComponent(subject));
    return { heading: 'Related to ' + titleOf(seed), path: '/related', body: { pins: [subject], k: K, include }, seed };
  }
  const vector = Array.from({ length: index.config.dim }, () => Math.random() * 2 - 1);
  return { heading: 'Some pins', path: '/query', body: { vector, k: K, include } };
}

async function render() {
  const parts = location.hash.split('/');
  // Other fragments, as that of the skip link, are places on the page.
  if (!['', '#'].includes(parts[0])) return;
  const turn = ++asked;
  const [name = '', mode = '', subject = ''] = parts.slice(1).map(decodePart);
  const serving = indexes.filter((index) => index.status === 'ready');
  const index = serving.find((one) => one.name === name) ?? serving[0];
  if (index === undefined) {
    const failed = indexes[0];
    return showProblem(failed ? failed.name + ': ' + failed.problem.detail : 'There is no index yet.');
  }
  showIndex(index);
  byId('words').value = mode === 'search' || index.model === null ? subject : '';
  byId('status').className = '';
  byId('status').textContent = 'Searching…';
  try {
    const { heading, path, body, seed } = await plan(index, mode, subject);
    const { answer, roundTripMs } = await call(at(index.name) + path, body);
    if (turn !== asked) return;
    document.title = heading + ' · nearpin';
    byId('heading').textContent = heading;
    byId('seed').replaceChildren(...(seed ? [cardOf(index, seed)] : []));
    const { shards, answered, degraded } = answer.coverage;
    byId('status').textContent =
      answer.hits.length + ' hits in ' + answer.tookMs.toFixed(2) + ' ms on the server, ' +
      roundTripMs.toFixed(0) + ' ms with the way there and back · ef ' + answer.ef + ' · ' +
      answered + ' of ' + shards + ' shards' + (degraded ? ' (' + degraded + ')' : '');
    const meter = meterFor(index, answer.hits);
    byId('hits').replaceChildren(...answer.hits.map((hit) => make('li', {}, cardOf(index, hit, meter))));
    scrollTo(0, 0);
  } catch (error) {
    if (turn !== asked) return;
    byId('heading').textContent = 'That did not work';
    byId('seed').replaceChildren();
    showProblem(error.message);
  }
}

async function start() {
  try {
    indexes = (await call('/v1/indexes')).answer.indexes;
  } catch (error) {
    return showProblem(error.message);
  }
  byId('index').replaceChildren(...indexes.map((index) => make('option', {
    value: index.name, disabled: index.status !== 'ready',
    textContent: index.name + (index.status === 'ready' ? '' : ' (' + index.status + ')'),
  })));
  byId('index').addEventListener('change', () => { location.hash = address(byId('index').value); });
  byId('some').addEventListener('click', () => {
    const target = address(byId('index').value);
    if (location.hash === target) render();
    else location.hash = target;
  });
  byId('ask').addEventListener('submit', (event) => {
    event.preventDefault();
    const words = byId('words').value.trim();
    const index = indexes.find((one) => one.name === byId('index').value);
    if (words !== '' && index !== undefined)
      location.hash = address(index.name, index.model === null ? 'related' : 'search', words);
  });
  addEventListener('hashchange', render);
  await render();
}
start();
`;
