/** Measures the time until a page has encoded its first image: `cargo xtask test-web --measure`. */
import { BLANK, launch, newPage, IMAGES, SITE } from './browser.mjs';
import { startServer } from './server.mjs';

const ROUNDS = 5;
const IMAGE = 'rgb-60x83.png';

const mounts = { '/': SITE, '/images/': IMAGES, '/blank/': { 'index.html': BLANK } };
const server = await startServer({ mounts });
try {
  for (const device of ['webgpu', 'wasm']) {
    for (let round = 0; round < ROUNDS; round += 1) {
      console.log(`${device}: ${await measured(device)}`);
    }
  }
} finally {
  await server.close();
}

/** Measures in a new browser, which has no compiled shaders yet. */
async function measured(device) {
  const browser = await launch();
  try {
    const { page } = await newPage(browser);
    await page.goto(`${server.url}blank/index.html`);
    const times = await page.evaluate(run, { device, image: `/images/${IMAGE}` });
    const [encoder, first, all, again] = times.milliseconds.map((time) => (time / 1000).toFixed(2));
    return `encoder ${encoder} s, first image (${times.patches} patches) ${first} s, from the page's load ${all} s; `
      + `the same again ${again} s`;
  } finally {
    await browser.close();
  }
}

async function run({ device, image }) {
  const start = performance.now();
  const { Encoder } = await import('/pkg/index.js');
  const encoder = await Encoder.create({ preset: 'tiny', device });
  const ready = performance.now();
  const { gridThw } = await encoder.encodeImage(image);
  // performance.now() counts from the start of the page's load.
  const first = performance.now();
  await encoder.encodeImage(image);
  const again = performance.now();
  const [t, h, w] = gridThw.flat();
  return { milliseconds: [ready - start, first - ready, first, again - first], patches: t * h * w };
}
