/**
 * Which shard holds a pin: a hash of its id alone, so that every process and every version finds the same one.
 * FNV-1a (Fowler, Noll and Vo) over the UTF-8 bytes, then the finaliser of MurmurHash3 (Appleby), because the low
 * bits of FNV-1a alone follow the last byte of the id. Part of the file format: it must never change.
 */

/** The shard in [0, shards) of a pin id, given as text or as its UTF-8 bytes. */
export function shardOf(id: string | Uint8Array, shards: number): number {
  const bytes = typeof id === 'string' ? Buffer.from(id) : id;
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) % shards;
}
