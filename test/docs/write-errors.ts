/** `npm run docs`: writes docs/errors.md from the table of errors and the guide to it. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { errorsMarkdown } from '../../src/server/docs/errors-page.ts';
import { createServer } from '../../src/server/server.ts';
import { catalogOf } from '../support/http.ts';

const app = createServer({ catalog: catalogOf([]), clock: () => 0 });
const api = (await app.inject('/openapi.json')).json();
writeFileSync(fileURLToPath(new URL('../../../docs/errors.md', import.meta.url)), errorsMarkdown(api));
await app.close();
