/** Where a server may listen, with and without keys. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { addressesOf, isLoopback } from '../../src/cli/addresses.ts';
import { refuses } from '../lib/refuses.ts';

const options = { host: '127.0.0.1', port: 80, adminHost: '127.0.0.1' };

it('an address is loopback when only this machine can reach it', () => {
  for (const host of ['127.0.0.1', '127.8.9.1', '::1', 'localhost', '::ffff:127.0.0.1'])
    assert.equal(isLoopback(host), true, host);
  for (const host of [
    '0.0.0.0',
    '::',
    '::ffff:10.0.0.1',
    '10.0.0.1',
    '128.0.0.1',
    'fe80::1',
    'nearpin.example',
    'localhost.example',
    '127.0.0.1.example',
    '127.1',
    '',
  ])
    assert.equal(isLoopback(host), false, host);
});

it('on loopback one listener does for all, unless a second one is asked for', () => {
  for (const auth of [{}, { keysFile: 'keys.json' }]) {
    assert.deepEqual(addressesOf({ ...options, ...auth }), { api: { host: '127.0.0.1', port: 80 } });
    assert.deepEqual(addressesOf({ ...options, adminPort: 0, ...auth }), {
      api: { host: '127.0.0.1', port: 80 },
      admin: { host: '127.0.0.1', port: 0 },
    });
  }
});

it('health has a port of its own where that is asked for, with keys and without', () => {
  for (const auth of [{}, { keysFile: 'keys.json' }])
    assert.deepEqual(addressesOf({ ...options, healthPort: 8082, ...auth }).health, {
      host: '127.0.0.1',
      port: 8082,
    });
  assert.equal(addressesOf(options).health, undefined);
});

it('where others reach it there is a second one, and keys are asked for', () => {
  for (const host of ['0.0.0.0', '::', '10.1.2.3', 'nearpin.example']) {
    refuses(() => addressesOf({ ...options, host }), 'auth_required');
    for (const auth of [{ keysFile: 'keys.json' }, { jwks: 'jwks.json' }])
      assert.deepEqual(addressesOf({ ...options, host, ...auth }), {
        api: { host, port: 80 },
        admin: { host: '127.0.0.1', port: 8081 },
      });
  }
});

it('administration that others reach asks for keys too', () => {
  const reached = { ...options, adminHost: '0.0.0.0', adminPort: 9 };
  refuses(() => addressesOf(reached), 'auth_required');
  assert.deepEqual(addressesOf({ ...reached, keysFile: 'keys.json' }).admin, { host: '0.0.0.0', port: 9 });
  assert.deepEqual(addressesOf({ ...options, adminHost: '0.0.0.0' }).admin, undefined, 'nobody listens');
});
