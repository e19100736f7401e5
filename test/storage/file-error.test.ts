/** What the file system says becomes a code that tells whoever asked what to do. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileError } from '../../src/storage/file-error.ts';

test('a full disk, a missing file and everything else have codes of their own', () => {
  const of = (code: string) => Object.assign(new Error(`${code}: said the disk`), { code });
  for (const [code, reading, writing] of [
    ['ENOSPC', 'disk_full', 'disk_full'],
    ['EDQUOT', 'disk_full', 'disk_full'],
    ['ENOENT', 'missing_file', 'io_error'],
    ['EACCES', 'io_error', 'io_error'],
  ] as const) {
    assert.equal(fileError(of(code), 'a').code, reading);
    assert.equal(fileError(of(code), 'a', null).code, writing);
    assert.match(fileError(of(code), 'some/file').message, /some\/file/);
  }
});
