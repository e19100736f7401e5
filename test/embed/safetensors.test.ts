import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { describe, type TestContext } from 'node:test';
import fc from 'fast-check';
import { readTensor, readTensorInfos } from '../../src/embed/safetensors.ts';
import { NearpinError } from '../../src/lib/errors.ts';
import { safetensors, scratch, TINY_DIM, TINY_TOKENS, tinyRow, tinySafetensors } from './tiny-models.ts';

/** Reads `embeddings` from a file with these bytes; the error's code and path, or the numbers. */
async function read(t: TestContext, bytes: Uint8Array) {
  const file = join(await scratch(t), 'model.safetensors');
  await writeFile(file, bytes);
  return readTensor(file, 'embeddings').then(
    ({ shape, numbers }) => ({ shape, numbers: [...numbers], code: undefined, message: '' }),
    (error: unknown) => {
      assert.ok(error instanceof NearpinError, `not a NearpinError: ${error}`);
      assert.ok(error.message.includes(file), `the file is not named: ${error.message}`);
      assert.equal(error.details[0]?.path, file);
      return { shape: [], numbers: [], code: error.code, message: error.message };
    },
  );
}

const EXPECTED = TINY_TOKENS.flatMap(tinyRow);
const floats = (...values: number[]): Uint8Array => new Uint8Array(new Float32Array(values).buffer);
const tensor = (dtype: unknown, shape: unknown, offsets: unknown) => ({
  embeddings: { dtype, shape, data_offsets: offsets },
});

describe('a safetensors file', () => {
  test('is read in f32 and f16', async (t) => {
    for (const half of [false, true]) {
      const { shape, numbers } = await read(t, tinySafetensors(half));
      assert.deepEqual(shape, [TINY_TOKENS.length, TINY_DIM]);
      assert.deepEqual(numbers, EXPECTED);
    }
  });

  test('is read at any alignment and among other tensors and metadata', async (t) => {
    const header = {
      __metadata__: { format: 'pt' },
      other: { dtype: 'I8', shape: [3], data_offsets: [0, 3] },
      ...tensor('F32', [1, 2], [3, 11]),
    };
    const { numbers } = await read(t, safetensors(header, Buffer.concat([Buffer.alloc(3), floats(1.5, -2)])));
    assert.deepEqual(numbers, [1.5, -2]);
  });

  test('gives every f16 its value', async (t) => {
    const halves = [0x0000, 0x8000, 0x0001, 0x03ff, 0x0400, 0x3c00, 0xc000, 0x3555, 0x7bff, 0xfbff];
    const values = [0, -0, 2 ** -24, 1023 * 2 ** -24, 2 ** -14, 1, -2, 0.333251953125, 65504, -65504];
    const data = new Uint8Array(Uint16Array.from(halves).buffer);
    const { numbers } = await read(t, safetensors(tensor('F16', [10], [0, 20]), data));
    assert.deepEqual(numbers, values);
  });

  test('cut anywhere is refused', async (t) => {
    const whole = tinySafetensors();
    for (let length = 0; length < whole.length; length++) {
      const { code, message } = await read(t, whole.subarray(0, length));
      assert.equal(code, 'corrupt_file', `cut to ${length} bytes: ${message}`);
    }
  });

  test('with bytes after the tensors is refused', async (t) => {
    const { code } = await read(t, Buffer.concat([tinySafetensors(), Buffer.alloc(1)]));
    assert.equal(code, 'corrupt_file');
  });

  test('with a header longer than the file or the limit is refused', async (t) => {
    for (const length of [1_000n, 100_000_001n, 2n ** 32n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n]) {
      const bytes = tinySafetensors();
      bytes.writeBigUInt64LE(length);
      const { code, message } = await read(t, bytes);
      assert.equal(code, 'corrupt_file', `${length}`);
      assert.match(message, /header says/);
    }
  });

  test('with a header that is not a table of tensors is refused', async (t) => {
    for (const header of [null, 1, 'x', [], { embeddings: null }, { embeddings: 3 }, {}])
      assert.equal(
        (await read(t, safetensors(header, floats()))).code,
        'corrupt_file',
        JSON.stringify(header),
      );
    const notUtf8 = safetensors('....', floats());
    notUtf8[9] = 0xff;
    assert.match((await read(t, notUtf8)).message, /not JSON/);
  });

  test('with a wrong tensor is refused, naming the tensor', async (t) => {
    const data = floats(1, 2);
    const cases: Record<string, object> = {
      'no dtype': tensor(undefined, [1, 2], [0, 8]),
      'shape no list': tensor('F32', 2, [0, 8]),
      'negative size': tensor('F32', [-1, -2], [0, 8]),
      fraction: tensor('F32', [0.5, 4], [0, 8]),
      'offsets missing': tensor('F32', [1, 2], undefined),
      'one offset': tensor('F32', [1, 2], [0]),
      'negative offset': tensor('F32', [1, 2], [-8, 8]),
      'offsets swapped': tensor('F32', [1, 2], [8, 0]),
      'end outside': tensor('F32', [1, 2], [0, 16]),
      'begin outside': tensor('F32', [1, 2], [1e15, 1e15 + 8]),
      'shape too large': tensor('F32', [2, 2], [0, 8]),
      'shape too small': tensor('F32', [1, 1], [0, 8]),
      'huge shape': tensor('F32', [2 ** 40, 2 ** 40], [0, 8]),
    };
    for (const [name, header] of Object.entries(cases)) {
      const { code, message } = await read(t, safetensors(header, data));
      assert.equal(code, 'corrupt_file', name);
      assert.match(message, /tensor embeddings/, name);
    }
    assert.match((await read(t, tinySafetensors(false, 'others'))).message, /tensor embeddings: is not in/);
  });

  test('with a number that is not finite is refused', async (t) => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const { code, message } = await read(t, safetensors(tensor('F32', [1, 2], [0, 8]), floats(0, bad)));
      assert.equal(code, 'corrupt_file');
      assert.match(message, /tensor embeddings: number 1 /);
    }
    const half = safetensors(tensor('F16', [1], [0, 2]), new Uint8Array([0x00, 0x7c]));
    assert.equal((await read(t, half)).code, 'corrupt_file');
  });

  test('of a dtype that is not read is told from a damaged one', async (t) => {
    const { code, message } = await read(t, safetensors(tensor('BF16', [1], [0, 2]), new Uint8Array(2)));
    assert.equal(code, 'model_unavailable');
    assert.match(message, /BF16/);
  });

  test('with a flipped byte in the header gives the numbers or a typed error', async (t) => {
    const whole = tinySafetensors();
    const headerEnd = 8 + Number(whole.readBigUInt64LE());
    await fc.assert(
      fc.asyncProperty(fc.nat(headerEnd - 1), fc.integer({ min: 1, max: 255 }), async (at, mask) => {
        const bytes = Buffer.from(whole);
        bytes[at]! ^= mask;
        const { code } = await read(t, bytes);
        assert.ok(code === undefined || code === 'corrupt_file' || code === 'model_unavailable', code);
      }),
      { seed: 2, numRuns: 300 },
    );
  });

  test('that is missing, or a folder, is a typed error', async (t) => {
    const folder = await scratch(t);
    const codeOf = (file: string) => readTensorInfos(file).catch((error) => (error as NearpinError).code);
    assert.equal(await codeOf(join(folder, 'none')), 'missing_file');
    assert.equal(await codeOf(folder), 'io_error');
  });
});
