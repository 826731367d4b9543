import assert from 'node:assert/strict';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { launch, LONGEST, newPage, IMAGES, SITE } from './browser.mjs';
import { GOLDENS } from './goldens.mjs';
import { readNpy } from './npy.mjs';
import { readSafetensors } from './safetensors.mjs';
import { startServer } from './server.mjs';

const SHOTS = process.env.GLM4V_SHOTS;
const SMALL = join(IMAGES, 'rgb-100x190.png');
const PHONE = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };
const options = { timeout: LONGEST };

let server;
let browser;
before(async () => {
  [server, browser] = await Promise.all([startServer({ mounts: { '/': SITE } }), launch()]);
});
after(() => Promise.all([browser?.close(), server?.close()]));

test('the page encodes the first sample without a click', options, async () => {
  await visit({}, async (page) => {
    await encoded(page);
    assert.match(await page.locator('#facts').innerText(), /cat\.jpg[^]*1 × 22 × 32 patches[^]*176 of width 256/);
    assert.deepEqual(await times(page), ['Module and device', 'Weights', 'Decode', 'Preprocess', 'Encoder']);
    await shoot(page, 'desktop');
  });
});

test('a photo is dropped, shown and saved', options, async () => {
  await visit({ colorScheme: 'dark' }, async (page) => {
    await encoded(page);
    await drop(page, [SMALL]);
    await encoded(page, 'rgb-100x190.png');
    const overlay = await overlayOf(page);
    assert.deepEqual([overlay.width, overlay.height], await tokensOf(page));
    assert.ok(overlay.colors > 3, `${overlay.colors} colors`);

    await page.locator('#opacity').fill('30');
    assert.equal(await page.locator('#overlay').evaluate((canvas) => getComputedStyle(canvas).opacity), '0.3');

    await point(page, 0.1, 0.1);
    await page.getByText(/Token 0, row 1, column 1\. Most similar: row \d+, column \d+ \([−\d.]+\)/).waitFor();
    await shoot(page, 'heat-map');
    await page.mouse.down();
    await page.mouse.up();
    await point(page, 0.9, 0.9);
    await page.getByText(/Its similarity to row \d+, column \d+ is [−\d.]+/).waitFor();
    assert.match(await page.locator('#value').innerText(), /^−?[01]\.\d{3}$/);
    await page.keyboard.press('Escape');

    const saved = await readNpy(await save(page, '#save-npy', /^rgb-100x190-1x\d+x\d+\.npy$/));
    const [columns, rows] = await tokensOf(page);
    assert.deepEqual(saved.shape, [rows * columns, 256]);
    assert.ok(saved.values.every(Number.isFinite) && saved.values.some((value) => value !== 0));
    const tensors = readSafetensors(await readFile(await save(page, '#save-safetensors', /\.safetensors$/)));
    assert.deepEqual(tensors.embeddings.shape, saved.shape);
    assert.deepEqual(new Float32Array(tensors.embeddings.bytes.buffer), saved.values);
    assert.deepEqual([...new BigInt64Array(tensors.grid_thw.bytes.buffer)], [1n, BigInt(rows * 2), BigInt(columns * 2)]);
    assert.equal(tensors.__metadata__.image, 'rgb-100x190.png');
  });
});

test('tokens of a padded image lie over the pixels that they cover', options, async () => {
  await visit({}, async (page) => {
    await encoded(page);
    const names = ['config.json', 'preprocessor_config.json', 'model.safetensors'];
    await drop(page, names.map((name) => join(GOLDENS, 'glm5-next', name)));
    await page.locator('#facts', { hasText: 'model.safetensors' }).waitFor();
    await encoded(page);
    // 20 pixels are resized to 47 of the 56 that the tokens cover.
    await drop(page, [join(IMAGES, 'rgb-20x47.png')]);
    await encoded(page, 'rgb-20x47.png');
    assert.deepEqual(await tokensOf(page), [2, 4]);
    const shown = await Promise.all(['#overlay', '#frame'].map((id) => page.locator(id).boundingBox()));
    const share = shown[0].width / shown[1].width;
    assert.ok(Math.abs(share - 56 / 47) < 0.02, `${share}`);
    assert.ok(Math.abs(shown[0].height - shown[1].height) < 1);
    await point(page, 0.55, 0.1);
    await page.getByText(/Token 0, row 1, column 1\./).waitFor();
    await point(page, 0.7, 0.1);
    await page.getByText(/Token 1, row 1, column 2\./).waitFor();
  });
});

test('by keyboard alone', options, async () => {
  await visit({}, async (page) => {
    await encoded(page);
    for (let presses = 0; !(await page.locator('#frame:focus').count()); presses++) {
      assert.ok(presses < 40, 'the image is never focused');
      await page.keyboard.press('Tab');
    }
    await page.getByText('Token 88, row 6, column 9.').first().waitFor();
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await page.keyboard.press('ArrowLeft');
    const spoken = await page.locator('#spoken').innerText();
    assert.match(spoken, /Token 105, row 7, column 10\. Its similarity to row 7, column 9 is/);
    await page.keyboard.press('Escape');
    await page.getByText('Colors show the features').waitFor();
  });
});

test('on a phone, by finger', options, async () => {
  await visit(PHONE, async (page) => {
    await encoded(page);
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360, 'something is wider than the screen');
    await shoot(page, 'phone', { fullPage: true });
    await page.locator('#frame').tap({ position: { x: 30, y: 30 } });
    await page.getByText(/Token 17, row 2, column 2\./).waitFor();
    await page.locator('#pin').tap();
    await page.locator('#frame').tap({ position: { x: 200, y: 100 } });
    await page.getByText(/Token 17, row 2, column 2\. Its similarity to row/).waitFor();
    await shoot(page, 'phone-heat-map');
  });
});

test('other samples, the camera and the clipboard', options, async () => {
  await visit({ permissions: ['camera'] }, async (page) => {
    await page.getByRole('button', { name: 'Shapes' }).click();
    await encoded(page, 'shapes.png');
    await page.getByRole('button', { name: 'Use the camera' }).click();
    await page.waitForFunction(() => document.getElementById('camera-video').videoWidth > 0);
    await shoot(page, 'camera');
    await page.getByRole('button', { name: 'Take a photo' }).click();
    await encoded(page, 'camera.png');
    const bytes = [...await readFile(SMALL)];
    await page.evaluate((content) => {
      const clipboardData = new DataTransfer();
      clipboardData.items.add(new File([new Uint8Array(content)], 'pasted.png', { type: 'image/png' }));
      document.dispatchEvent(new ClipboardEvent('paste', { clipboardData }));
    }, bytes);
    await encoded(page, 'pasted.png');
  });
});

test('a large photo is scaled down first, and the page stays responsive', options, async () => {
  await visit({}, async (page) => {
    await page.selectOption('#side', '336');
    await page.evaluate(() => {
      window.longest = 0;
      let last = performance.now();
      setInterval(() => {
        window.longest = Math.max(window.longest, performance.now() - last);
        last = performance.now();
      }, 10);
    });
    await page.getByRole('button', { name: 'A cat' }).click();
    await page.getByText('451 × 300, scaled to 336 × 224').waitFor();
    await encoded(page);
    assert.ok(await page.evaluate(() => window.longest) < 1000, 'the page did not respond');
  });
});

test('another encoder: a larger one, cancelled and loaded again', options, async () => {
  await visit({}, async (page) => {
    await encoded(page);
    await page.selectOption('#preset', 'small');
    await page.selectOption('#device', 'wasm');
    await page.getByRole('button', { name: 'Load', exact: true }).click();
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.locator('#status', { hasText: 'Cancelled' }).waitFor();
    await page.getByText('This image was not encoded.').waitFor();
    await page.selectOption('#preset', 'tiny');
    await page.getByRole('button', { name: 'Load', exact: true }).click();
    await encoded(page);
    assert.match(await page.locator('#facts').innerText(), /CPU[^]*random, tiny, f32/);
  });
});

async function visit({ expected, ...context }, look) {
  const { page, problems, close } = await newPage(browser, { viewport: { width: 1280, height: 900 }, expected, ...context });
  try {
    await page.goto(server.url);
    await look(page);
    assert.deepEqual(problems, []);
  } finally {
    await close();
  }
}

async function encoded(page, name = 'cat.jpg') {
  await page.waitForFunction(
    (expected) => !document.getElementById('save-npy').disabled && document.getElementById('facts').innerText.includes(expected)
      || !document.getElementById('error').hidden,
    name,
  );
  assert.equal(await page.locator('#error').isVisible(), false, await page.locator('#error-text').textContent());
}

async function drop(page, paths) {
  const files = await Promise.all(paths.map(async (path) => ({ name: path.split('/').at(-1), content: [...await readFile(path)] })));
  await page.evaluate((dropped) => {
    const dataTransfer = new DataTransfer();
    dropped.forEach(({ name, content }) => dataTransfer.items.add(new File([new Uint8Array(content)], name)));
    for (const type of ['dragover', 'drop']) {
      document.getElementById('drop').dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
    }
  }, files);
}

async function point(page, x, y) {
  const frame = page.locator('#frame');
  const { width, height } = await frame.boundingBox();
  await frame.hover({ position: { x: x * width, y: y * height } });
}

function overlayOf(page) {
  return page.locator('#overlay').evaluate((canvas) => {
    const { width, height } = canvas;
    const pixels = new Uint32Array(canvas.getContext('2d').getImageData(0, 0, width, height).data.buffer);
    return { width, height, colors: new Set(pixels).size };
  });
}

/** The numbers of columns and rows, read from the page. */
async function tokensOf(page) {
  const [, rows, columns] = /1 × (\d+) × (\d+) patches/.exec(await page.locator('#facts').innerText());
  return [columns / 2, rows / 2];
}

function times(page) {
  return page.locator('#times th').allInnerTexts();
}

async function save(page, button, name) {
  const [download] = await Promise.all([page.waitForEvent('download'), page.locator(button).click()]);
  assert.match(download.suggestedFilename(), name);
  return download.path();
}

async function shoot(page, name, shot = {}) {
  if (SHOTS) {
    await mkdir(SHOTS, { recursive: true });
    await page.screenshot({ path: join(SHOTS, `${name}.png`), ...shot });
  }
}
