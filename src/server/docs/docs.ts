/** The pages for people: /docs, the API as OpenAPI describes it, and /docs/errors, where the `type` of every problem leads. */
import type { FastifyInstance } from 'fastify';
import { ERROR_DOCUMENT } from '../../retrieval/problem.ts';
import { documentRoute, pageHeaders } from '../documents.ts';
import type { OpenApi } from '../openapi.ts';
import { errorsPage } from './errors-page.ts';
import { referencePage } from './reference-page.ts';
import { SCRIPT } from './script.ts';
import { STYLE } from './style.ts';

export function docsRoutes(app: FastifyInstance, describeApi: () => OpenApi): void {
  const page = (make: (api: OpenApi) => string) => () => ({
    type: 'text/html; charset=utf-8',
    body: make(describeApi()),
    headers: pageHeaders(SCRIPT, STYLE),
  });
  documentRoute(app, '/docs', page(referencePage));
  documentRoute(app, ERROR_DOCUMENT, page(errorsPage));
}
