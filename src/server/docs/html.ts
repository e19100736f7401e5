/** Making HTML of text: what is not markup of these pages' own is escaped. */
import { SCRIPT } from './script.ts';
import { STYLE } from './style.ts';

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

export const escapeHtml = (text: string): string => text.replace(/[&<>"]/g, (each) => ENTITIES[each]!);

/** The few marks that descriptions have (CommonMark's): `code`, **bold**, [text](address). */
export function inline(text: string): string {
  return escapeHtml(text)
    .replace(/`([^`]+)`/g, '<code>$1</code>')
    .replace(/\*\*([^*]+)\*\*/g, '<strong>$1</strong>')
    .replace(/\[([^\]]+)\]\(([^)\s]+)\)/g, '<a href="$2">$1</a>');
}

/** Paragraphs of a description. */
export const paragraphs = (text: string): string =>
  text
    .split('\n\n')
    .map((each) => `<p>${inline(each)}</p>`)
    .join('\n');

/** Laid out for reading: lists of numbers stay on a line. */
export function prettyJson(value: unknown): string {
  return JSON.stringify(value, null, 2).replace(
    /\[\s+((?:-?[\d.e+-]+,\s+)*-?[\d.e+-]+)\s+\]/g,
    (_, numbers) => {
      return `[${numbers.replaceAll(/\s+/g, ' ')}]`;
    },
  );
}

export const codeBlock = (text: string): string => `<pre tabindex="0"><code>${escapeHtml(text)}</code></pre>`;

/** A page with its contents at the side. */
export function pageOf(title: string, contents: string, main: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(title)}</title>
<link rel="icon" href="data:,">
<style>${STYLE}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the text</a>
<nav aria-label="Contents">
<p class="home"><a href="/">nearpin</a> <a href="/docs">API</a> <a href="/docs/errors">Errors</a> <a href="/openapi.json">OpenAPI</a></p>
<label for="find">Find</label><input id="find" type="search" autocomplete="off" spellcheck="false">
${contents}
</nav>
<main id="main" tabindex="-1">
${main}
</main>
<script>${SCRIPT}</script>
</body>
</html>
`;
}
