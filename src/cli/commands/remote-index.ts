/** An index of a server, asked as one in this process is. */
import type { NearpinClient } from '../../client/client.ts';
import type { Answering } from '../../evaluation/surfaces.ts';

export function remoteIndex(client: NearpinClient, name: string): Answering {
  return {
    query: (request) => client.query(name, request),
    related: (request) => client.related(name, request),
    search: (request) => client.search(name, request),
    homefeed: (request) => client.homefeed(name, request),
    notifications: (request) => client.notifications(name, request),
  };
}
