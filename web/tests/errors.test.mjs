import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';

import { BLANK, launch, LONGEST, newPage, IMAGES, runInPage, SITE, STATUS } from './browser.mjs';
import { GOLDENS } from './goldens.mjs';
import { startServer } from './server.mjs';

const MODEL = '/goldens/patch14-f32/';
const options = { timeout: LONGEST };

let server;
let other;
let browser;
let without;
before(async () => {
  const mounts = { '/': SITE, '/goldens/': GOLDENS, '/images/': IMAGES, '/blank/': { 'index.html': BLANK } };
  [server, other, browser, without] = await Promise.all([
    startServer({ mounts }),
    startServer({ mounts: { '/': GOLDENS } }),
    launch(),
    launch({ webgpu: false }),
  ]);
});
afterEach(() => server.heal());
after(() => Promise.all([browser?.close(), without?.close(), server?.close(), other?.close()]));

test('without WebGPU the CPU is used, and the device says why', options, async () => {
  const found = await inPage(async ({ Encoder }) => {
    const encoder = await Encoder.create({ preset: 'tiny' });
    return encoder.device;
  }, { browser: without });
  assert.equal(found.kind, 'wasm');
  assert.ok(found.fallback.length > 10, found.fallback);
});

test('WebGPU is requested, but not available', options, async () => {
  await fails(async ({ Encoder }) => Encoder.create({ preset: 'tiny', device: 'webgpu' }), /device: WebGPU is not available: .*device: 'wasm' computes on the CPU/, { browser: without });
});

test('the demo says that it computes on the CPU', options, async () => {
  const { page, problems, close } = await newPage(without);
  await page.goto(server.url);
  await page.locator('#note', { hasText: 'Computed on the CPU, without WebGPU: ' }).waitFor();
  assert.deepEqual(problems, []);
  await close();
});

test('options that contradict each other', options, async () => {
  const messages = await inPage(async ({ Encoder }) => {
    const wrong = [
      {}, { preset: 'tiny', model: 'a/b' }, { weights: new Blob([]) }, { model: '/here/', revision: 'main' }, { seed: 1, model: 'a/b' },
      { preset: 'tiny', device: 'gpu' }, { preset: 'tiny', color: 1 }, { weights: '/here/' }, { preset: 'huge' },
    ];
    return Promise.all(wrong.map((options) => Encoder.create(options).then(() => 'none', (error) => error.message)));
  });
  const expected = [
    /none of preset, model and weights is given/, /preset means random weights/, /pass config as well/,
    /revision needs a model name/, /seed needs preset/, /device: expected 'webgpu' or 'wasm'/, /unknown option 'color'/,
    /pass a directory as model/, /huge/,
  ];
  expected.forEach((pattern, index) => assert.match(messages[index], pattern));
});

for (const device of ['wasm', 'webgpu']) {
  test(`a directory on a server without ranges, on ${device}`, options, async () => {
    const load = async ({ Encoder }, args) => {
      const encoder = await Encoder.create({ ...args, dtype: 'f32', cache: false });
      return [...(await encoder.encodeImage('/images/rgb-90x62.png')).embeddings];
    };
    const ranged = await inPage(load, { args: { model: MODEL, device } });
    server.fault('.safetensors', { noRanges: true });
    assert.deepEqual(await inPage(load, { args: { model: MODEL, device } }), ranged);
  });
}

test('files, a stream and a URL give the same embeddings', options, async () => {
  const found = await inPage(async ({ Encoder }, { model }) => {
    const blob = async (name) => new File([await (await fetch(model + name)).blob()], name);
    const [config, preprocessor, file] = await Promise.all(['config.json', 'preprocessor_config.json', 'model.safetensors'].map(blob));
    const sources = [
      { model }, { config, preprocessor, weights: file }, { config, preprocessor, weights: [file] },
      { config: JSON.parse(await config.text()), preprocessor: await preprocessor.text(), weights: file.stream() },
      { weights: `${model}model.safetensors` },
    ];
    const stages = new Set();
    const results = [];
    for (const source of sources) {
      let last;
      const onProgress = (progress) => {
        stages.add(progress.stage);
        last = progress.stage === 'weights' ? progress : last;
      };
      const encoder = await Encoder.create({ ...source, device: 'wasm', onProgress });
      const { embeddings } = await encoder.encodeImage('/images/rgb-90x62.png');
      results.push({ sum: embeddings.reduce((sum, value) => sum + value), last });
      encoder.free();
    }
    return { results, stages: [...stages] };
  }, { args: { model: MODEL } });
  assert.equal(new Set(found.results.map(({ sum }) => sum)).size, 1);
  assert.ok(found.results.every(({ last }) => last.loaded === last.total && last.total > 0), JSON.stringify(found.results));
  assert.deepEqual(found.stages, ['module', 'device', 'config', 'weights', 'ready']);
});

const create = async ({ Encoder }, args) => Encoder.create({ device: 'wasm', cache: false, ...args });

for (const [what, end, fault, message] of [
  ['no configuration', 'config.json', { status: 404 }, /config\.json: the server answered with status 404: there is no such file/],
  ['a private model', 'config.json', { status: 401 }, /status 401: the model may be private or gated/],
  ['no weights', '.safetensors', { status: 404 }, /expected model\.safetensors or model\.safetensors\.index\.json, found neither/],
  ['a wrong configuration', 'config.json', { edit: () => Buffer.from('{"model_type":"bert"}') }, /config\.json/],
  ['a configuration of a different size', '/config.json', { edit: halved }, /model\.safetensors/],
  ['truncated weights', '.safetensors', { edit: (bytes) => bytes.subarray(0, bytes.length / 2) }, /model\.safetensors: .*expected \d+ bytes/],
  ['a file that is not safetensors', '.safetensors', { edit: (bytes) => bytes.fill(65) }, /model\.safetensors/],
  ['wrong ranges', '.safetensors', { wrongRange: true }, /expected Content-Range bytes/],
  ['a cut connection', '.safetensors', { cut: 1000 }, /model\.safetensors: expected \d+ bytes, found 1000: the connection broke/],
]) {
  test(`a checkpoint with ${what}`, options, async () => {
    server.fault(end, fault);
    await fails(create, message, { args: { model: MODEL }, expected: [STATUS] });
  });
}

test('a server that does not let the page read', options, async () => {
  const model = `${other.url}patch14-f32/`;
  await fails(create, /no response .*Access-Control-Allow-Origin/, { args: { model }, expected: [/CORS/, STATUS] });
});

test('files that are not images, and images that are refused', options, async () => {
  const messages = await inPage(async ({ Encoder }) => {
    const encoder = await Encoder.create({ preset: 'tiny', device: 'wasm' });
    const wrong = [
      () => encoder.encodeImage(new Blob(['this is text'])),
      () => encoder.encodeImage(new Blob(['this is text']), { decode: 'browser' }),
      () => encoder.encodeImage('/images/rgb-900x4.png'),
      () => encoder.encodeImage(new ImageData(900, 4)),
      () => encoder.encodeImage('/images/none.png'),
      () => encoder.encodeImage(document.body),
      () => encoder.encodeImages(['/images/rgb-90x62.png', '/images/rgb-900x4.png']),
      () => encoder.encodeImages([new ImageData(90, 62), new ImageData(900, 4)]),
      () => encoder.plan(30_000, 1),
      () => encoder.encodeFrames([new ImageData(40, 40), new ImageData(40, 41)], 2),
    ];
    const found = [];
    for (const attempt of wrong) {
      found.push(await attempt().then(() => 'none', (error) => error.message));
    }
    found.push((await encoder.encodeImage('/images/rgb-90x62.png', { decode: 'browser' })).shape.join());
    return found;
  }, { expected: [STATUS] });
  const expected = [
    /^the image: /, /^the image: this browser cannot decode the 12 bytes of the file .*decode: 'library' reads .*PNG/, /rgb-900x4\.png: .*200/, /200/, /none\.png: the server answered with status 404/,
    /found HTMLBodyElement; createImageBitmap/, /rgb-900x4\.png: .*200/, /^images\[1\]: .*200/, /200/, /frame 1: expected 40×40 like the first, found 40×41/, /^\d+,256$/,
  ];
  expected.forEach((pattern, index) => assert.match(messages[index], pattern));
  assert.notEqual(messages[0], 'none');
});

test('loading can be aborted', options, async () => {
  server.fault('.safetensors', { slow: 300 });
  await fails(async ({ Encoder }, { model }) => {
    const abort = new AbortController();
    const onProgress = ({ stage }) => stage === 'weights' && setTimeout(() => abort.abort(new Error('enough')), 100);
    return Encoder.create({ model, device: 'wasm', cache: false, signal: abort.signal, onProgress });
  }, /^enough$/, { args: { model: MODEL } });
});

test('an encoder that was freed', options, async () => {
  await fails(async ({ Encoder }) => {
    const encoder = await Encoder.create({ preset: 'tiny', device: 'wasm' });
    encoder.free();
    await encoder.encodeImage('/images/rgb-90x62.png');
  }, /this encoder was freed/);
});

// Each script is added to the worker's script and causes the failure on request.
const FAULTY_WORKERS = [
  ['a device that is lost', 'webgpu', `
    const request = GPUAdapter.prototype.requestDevice;
    GPUAdapter.prototype.requestDevice = async function (...options) {
      const device = await request.apply(this, options);
      new BroadcastChannel('faults').onmessage = () => device.destroy();
      return device;
    };`, /lost|destroyed/i],
  ['a module that panics', 'wasm', `
    new BroadcastChannel('faults').onmessage = () => {
      console.error('panicked at src/lib.rs:1:1:\\nthe reason\\n\\nStack:\\nError');
      throw new WebAssembly.RuntimeError('unreachable');
    };`, /the WebAssembly module failed \(panicked at src\/lib\.rs:1:1:\s+the reason\): this encoder cannot be used any more/],
];
for (const [what, device, script, message] of FAULTY_WORKERS) {
  test(`${what} ends the encoder`, options, async () => {
    const { page, close } = await faultyPage(script, 'blank/index.html');
    const found = await page.evaluate(async (kind) => {
      const { Encoder } = await import('/pkg/index.js');
      const encoder = await Encoder.create({ preset: 'tiny', device: kind });
      new BroadcastChannel('faults').postMessage('now');
      for (let attempt = 0; attempt < 100; attempt++) {
        const error = await encoder.encodeImage('/images/rgb-90x62.png').then(() => '', ({ message }) => message);
        if (encoder.broken) {
          return error;
        }
      }
      return 'the encoder is not broken';
    }, device);
    assert.match(found, message);
    await close();
  });

  test(`${what}, and the demo creates another encoder`, options, async () => {
    const { page, close } = await faultyPage(script, '');
    await done(page);
    await page.selectOption('#device', device);
    await page.getByRole('button', { name: 'Load', exact: true }).click();
    await page.locator('#facts', { hasText: device === 'wasm' ? 'CPU' : 'GPU' }).waitFor();
    await done(page);
    await page.evaluate(() => new BroadcastChannel('faults').postMessage('now'));
    await page.waitForTimeout(500);
    await page.getByRole('button', { name: 'Shapes' }).click();
    await done(page);
    await close();
  });
}

// The canvas stands in for one that is too large for the browser.
const COUNTING_WORKER = `
  let closed = 0;
  for (const { prototype } of [ImageBitmap, VideoFrame]) {
    const { close } = prototype;
    prototype.close = function () {
      closed++;
      close.call(this);
    };
  }
  const { getContext } = OffscreenCanvas.prototype;
  OffscreenCanvas.prototype.getContext = function (...options) {
    return this.width === 41 ? null : getContext.apply(this, options);
  };
  const channel = new BroadcastChannel('closed');
  channel.onmessage = () => channel.postMessage(closed);`;

test('the worker closes its copies of frames and images, also if it refuses them', options, async () => {
  const { page, close } = await faultyPage(COUNTING_WORKER, 'blank/index.html');
  const found = await page.evaluate(async () => {
    const { Encoder } = await import('/pkg/index.js');
    const encoder = await Encoder.create({ preset: 'tiny', device: 'wasm' });
    const bitmap = (width, height) => createImageBitmap(new ImageData(width, height));
    const frame = new VideoFrame(await bitmap(40, 40), { timestamp: 0 });
    const attempts = [
      encoder.encodeFrames([frame, await bitmap(40, 40)], 2),
      encoder.encodeFrames([frame, await bitmap(40, 41)], 2),
      encoder.encodeFrames([await bitmap(900, 4), await bitmap(900, 4)], 2),
      encoder.encodeFrames([await bitmap(41, 40), await bitmap(41, 40)], 2),
      encoder.encodeImage(await bitmap(40, 40)),
      encoder.encodeImage(await bitmap(41, 40)),
    ];
    const channel = new BroadcastChannel('closed');
    const counted = new Promise((resolve) => {
      channel.onmessage = ({ data }) => resolve(data);
    });
    const messages = await Promise.all(attempts.map((attempt) => attempt.then(() => 'none', ({ message }) => message)));
    channel.postMessage('count');
    return { messages, closed: await counted };
  });
  const expected = [/^none$/, /frame 1: expected 40×40/, /200/, /^the video: the browser cannot create a canvas/, /^none$/, /^the image: .*canvas of 41×40/];
  expected.forEach((pattern, index) => assert.match(found.messages[index], pattern));
  assert.equal(found.closed, 10);
  await close();
});

async function faultyPage(script, path) {
  const { page, close } = await newPage(browser);
  const body = `${await readFile(join(SITE, 'pkg/worker.js'), 'utf8')}\n${script}`;
  await page.context().route('**/pkg/worker.js', (route) => route.fulfill({ contentType: 'text/javascript', body }));
  await page.goto(server.url + path);
  return { page, close };
}

test('a package without its module', options, async () => {
  const attempt = async ({ Encoder }) => Encoder.create({ preset: 'tiny' });
  server.fault('glm4v_web_bg.wasm', { status: 404 });
  await fails(attempt, /glm4v_web_bg\.wasm: the server answered with status 404/, { expected: [STATUS] });
  server.fault('glm4v_web.js', { status: 404 });
  await fails(attempt, /worker\.js: the worker does not run: .*must be served beside index\.js/, { expected: [STATUS] });
});

test('errors are shown in the page, and the last image can still be encoded', options, async () => {
  const { page, close } = await newPage(browser, { expected: [STATUS] });
  await page.goto(server.url);
  await done(page);
  await page.getByLabel('Files', { exact: true }).check();
  await page.setInputFiles('#weights', [join(GOLDENS, 'patch14-f32/config.json')]);
  await page.getByRole('button', { name: 'Load', exact: true }).click();
  await page.getByRole('alert').getByText(/preprocessor_config\.json, a \.safetensors file missing, found config\.json; pick all/).waitFor();
  const files = ['config.json', 'preprocessor_config.json', 'model.safetensors'].map((name) => join(GOLDENS, 'patch14-f32', name));
  await page.setInputFiles('#weights', files);
  await page.getByRole('button', { name: 'Load', exact: true }).click();
  await page.locator('#facts', { hasText: 'model.safetensors' }).waitFor();
  await done(page);
  assert.equal(await page.getByRole('alert').isVisible(), false);
  await page.setInputFiles('#file', { name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('notes') });
  await page.getByRole('alert').getByText(/^notes\.txt: /).waitFor();
  assert.equal(await page.locator('#save-npy').isEnabled(), true, 'the previous image is still shown');
  if (process.env.GLM4V_SHOTS) {
    await page.screenshot({ path: join(process.env.GLM4V_SHOTS, 'error.png') });
  }
  await close();
});

function done(page) {
  return page.waitForFunction(() => !document.getElementById('save-npy').disabled);
}

function inPage(run, { browser: used = browser, ...how } = {}) {
  return runInPage(used, server, run, how);
}

async function fails(run, message, how) {
  const attempt = `async (glm4v, args) => (${run})(glm4v, args).then(() => 'no error', (error) => error.message)`;
  const found = await inPage(attempt, how);
  assert.match(found, message);
}

/** A valid configuration that does not match the weights. */
function halved(bytes) {
  const config = JSON.parse(bytes);
  config.vision_config.out_hidden_size *= 2;
  return Buffer.from(JSON.stringify(config));
}
