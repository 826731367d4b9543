import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { BLANK, launch, LONGEST, newPage, IMAGES, SITE, STATUS } from './browser.mjs';
import { cases, GOLDENS } from './goldens.mjs';
import { startServer } from './server.mjs';

const TOLERANCE = 5e-6;

let server;
let browser;
before(async () => {
  const mounts = { '/': SITE, '/goldens/': GOLDENS, '/images/': IMAGES, '/blank/': { 'index.html': BLANK } };
  [server, browser] = await Promise.all([startServer({ mounts }), launch()]);
});
after(() => Promise.all([browser?.close(), server?.close()]));

const goldens = await cases();
assert.ok(goldens.length > 0, `${GOLDENS}: found no reference values that a page can encode`);

for (const device of ['wasm', 'webgpu']) {
  for (const golden of goldens) {
    test(`${device}: ${golden.name}`, { timeout: LONGEST }, async () => {
      // The package looks for model.safetensors first. A sharded checkpoint has none, so that request fails.
      const { page, problems, close } = await newPage(browser, { expected: [STATUS] });
      try {
        await page.goto(`${server.url}blank/index.html`);
        const found = await page.evaluate(encode, { name: golden.name, inputs: golden.inputs, device });
        assert.deepEqual(found.gridThw, golden.gridThw);
        assert.equal(found.values.length, golden.embeddings.length);
        for (const { input, start, end } of rowsOf(golden)) {
          const difference = relative(found.values.slice(start, end), golden.embeddings.subarray(start, end));
          const name = typeof input === 'string' ? input : 'a video';
          console.log(`${device} ${golden.name}, ${name}: relative L2 ${difference.toExponential(1)}`);
          assert.ok(difference <= TOLERANCE, `${name}: relative L2 of ${difference}, expected at most ${TOLERANCE}`);
        }
        assert.deepEqual(problems, []);
      } finally {
        await close();
      }
    });
  }
}

/** Runs in the page. Encodes images as one batch; if there are videos, encodes each input separately. */
async function encode({ name, inputs, device }) {
  const { Encoder } = await import('/pkg/index.js');
  const encoder = await Encoder.create({ model: `/goldens/${name}/`, device, dtype: 'f32', cache: false });
  const batches = inputs.every((input) => typeof input === 'string') ? [inputs] : inputs.map((input) => [input]);
  const results = [];
  for (const batch of batches) {
    results.push(typeof batch[0] === 'string'
      ? await encoder.encodeImages(batch.map((image) => `/images/${image}`))
      : await encoder.encodeFrames(frames(batch[0]), batch[0].fps));
  }
  encoder.free();
  return {
    values: results.flatMap(({ embeddings }) => [...embeddings]),
    gridThw: results.flatMap(({ gridThw }) => gridThw),
  };

  // The same formula as in tests/golden/clips.py.
  function frames({ num_frames: count, width, height }) {
    return Array.from({ length: count }, (_, index) => {
      const frame = new ImageData(width, height);
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) {
          const grain = 3 * ((x * y * (index + 1)) % 61);
          const channels = [0, 1, 2].map((channel) => (3 * x + 5 * y + 17 * index + 40 * channel + grain) % 256);
          frame.data.set([...channels, 255], 4 * (y * width + x));
        }
      }
      return frame;
    });
  }
}

/** The range of each input's values among the values of the case. */
function rowsOf({ inputs, gridThw, embeddings }) {
  const patches = gridThw.map(([t, h, w]) => t * h * w);
  const each = embeddings.length / patches.reduce((sum, count) => sum + count);
  let end = 0;
  return inputs.map((input, index) => {
    const start = end;
    end += patches[index] * each;
    return { input, start, end };
  });
}

function relative(found, expected) {
  let [difference, norm] = [0, 0];
  expected.forEach((value, index) => {
    difference += (found[index] - value) ** 2;
    norm += value ** 2;
  });
  return Math.sqrt(difference / norm);
}
