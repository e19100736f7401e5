import assert from 'node:assert/strict';
import test from 'node:test';
import { settingsDocument, writtenSettingsDocument } from '../support/settings-document.ts';

test('docs/settings.md is what the schema says', () => {
  assert.equal(
    writtenSettingsDocument(),
    settingsDocument(),
    'write it by `node dist/test/support/settings-document.js`',
  );
});
