/** What a client calls its request, where it says so in a way that may stand in headers and logs. */
import type { IncomingHttpHeaders } from 'node:http';

const REQUEST_ID = /^[\w.:@/+=-]{1,128}$/;

/** Undefined where there is none, or none that can be taken. */
export function givenRequestId({ 'x-request-id': given }: IncomingHttpHeaders): string | undefined {
  return typeof given === 'string' && REQUEST_ID.test(given) ? given : undefined;
}
