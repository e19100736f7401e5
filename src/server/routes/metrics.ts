/** /metrics: everything that is counted, in the text format of Prometheus. */
import type { FastifyInstance } from 'fastify';
import type { Aftermath } from '../aftermath.ts';
import type { AuditLog } from '../auth/audit.ts';
import type { Catalog } from '../catalog.ts';
import { familiesOfAftermath, familiesOfAudit, familiesOfIndexes } from '../telemetry/collect.ts';
import { textOf } from '../telemetry/families.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';

export function metricsRoute(
  app: FastifyInstance,
  catalog: Catalog,
  aftermath: Aftermath,
  telemetry: Telemetry,
  audit: AuditLog | undefined,
): void {
  app.get('/metrics', { config: { scope: 'metrics' }, schema: { hide: true } }, (_request, reply) => {
    const families = [
      ...telemetry.families(),
      ...familiesOfIndexes(catalog),
      ...familiesOfAftermath(aftermath),
      ...(audit ? familiesOfAudit(audit) : []),
    ];
    return reply.header('content-type', 'text/plain; version=0.0.4; charset=utf-8').send(textOf(families));
  });
}
