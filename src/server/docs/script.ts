/** What the pages for people do in the browser: find in the contents, and send a request. They read well without it. */
export const SCRIPT = `
'use strict';
const find = document.getElementById('find');
find.addEventListener('input', () => {
  const words = find.value.toLowerCase();
  for (const item of document.querySelectorAll('nav li')) item.hidden = !item.textContent.toLowerCase().includes(words);
});

async function send(form) {
  const query = new URLSearchParams();
  let path = form.dataset.path;
  let body;
  for (const field of form.querySelectorAll('[data-in]')) {
    if (field.dataset.in === 'path') path = path.replace('{' + field.name + '}', encodeURIComponent(field.value));
    else if (field.dataset.in === 'body') body = field.value;
    else if (field.value !== '') query.set(field.name, field.value);
  }
  const key = document.getElementById('key').value;
  const headers = { accept: 'application/json' };
  if (body !== undefined) headers['content-type'] = 'application/json';
  if (key !== '') headers.authorization = 'Bearer ' + key;
  const started = performance.now();
  const response = await fetch(path + (query.size > 0 ? '?' + query : ''), { method: form.dataset.method, headers, body });
  const text = await response.text();
  const tookMs = (performance.now() - started).toFixed(1);
  const id = response.headers.get('x-request-id');
  return { said: response.status + ' in ' + tookMs + ' ms' + (id ? ', request ' + id : ''), text };
}

document.addEventListener('submit', async (event) => {
  event.preventDefault();
  const form = event.target;
  const said = form.querySelector('output');
  const shown = form.querySelector('pre');
  said.textContent = '…';
  try {
    const answer = await send(form);
    said.textContent = answer.said;
    let text = answer.text;
    try { text = JSON.stringify(JSON.parse(text), null, 2); } catch {}
    shown.textContent = text;
    shown.hidden = false;
  } catch (error) {
    said.textContent = 'No answer: ' + error.message;
    shown.hidden = true;
  }
});
`;
