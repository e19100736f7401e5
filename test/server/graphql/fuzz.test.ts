/** Random and mutated documents and variables: refused with a code, or answered; never a fault of the server. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { start } from '../../support/graphql.ts';
import { graphqlBodies } from '../../support/graphql-documents.ts';
import { postJson } from '../../support/http.ts';

it('whatever comes in, no request to GraphQL is answered with a fault', async (t) => {
  const { url } = await start(t);
  const statuses = new Map<number, number>();
  let answered = 0;
  await fc.assert(
    fc.asyncProperty(graphqlBodies, async (sent) => {
      const { status, body } = await postJson(`${url}/graphql`, sent);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      assert.ok(status < 500, JSON.stringify({ sent, body }));
      for (const { extensions } of body.errors ?? [])
        assert.ok(extensions.status !== 500, JSON.stringify({ sent, body }));
      if (body.data != null && body.errors === undefined) answered++;
    }),
    { seed: 31, numRuns: 600 },
  );
  assert.ok(answered > 20, `${answered} answered: ${JSON.stringify([...statuses])}`);
  assert.ok((statuses.get(400) ?? 0) > 20);
});
