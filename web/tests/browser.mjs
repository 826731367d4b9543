import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { chromium } from 'playwright-core';

const HERE = dirname(fileURLToPath(import.meta.url));
/** What `cargo xtask web` builds: the page with pkg/. */
export const SITE = process.env.GLM4V_SITE ?? join(HERE, '../../target/browser/site');
export const PICTURES = join(HERE, '../../tests/images');
/** A page with nothing in it, and no icon to be asked for. */
export const BLANK = '<!doctype html><title>blank</title><link rel="icon" href="data:,">';
/** Chromium writes down every answer of 400 and above, of which some are expected. */
export const STATUS = /Failed to load resource/;
/** A shader compiles for seconds on a GPU that is played by the CPU: milliseconds for a step, and for a test. */
export const PATIENCE = Number(process.env.GLM4V_PATIENCE ?? 60_000);
export const LONGEST = 4 * PATIENCE;

const FLAGS = [
  '--headless', '--no-sandbox', '--disable-background-networking', '--disable-component-update', '--no-first-run',
  '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream',
];
const WEBGPU = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];

/** Chromium, with WebGPU on SwiftShader or without any. */
export function launch({ webgpu = true } = {}) {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [...FLAGS, ...(webgpu ? WEBGPU : ['--disable-features=WebGPU', '--disable-blink-features=WebGPU'])],
  });
}

/**
 * A page that notes everything that goes wrong: uncaught errors, and whatever is written to the console as an error, by
 * the page or by a worker. `problems` is to be empty in the end, but for what `expected` matches.
 */
export async function newPage(browser, { expected = [], ...options } = {}) {
  const context = await browser.newContext({ acceptDownloads: true, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  const problems = [];
  const note = (text) => expected.some((pattern) => pattern.test(text)) || problems.push(text);
  page.on('pageerror', (error) => note(`uncaught: ${error.message}`));
  page.on('console', (message) => message.type() === 'error' && note(`console: ${message.text()} (${message.location().url})`));
  page.on('crash', () => note('the page crashed'));
  return { page, problems, close: () => context.close() };
}

/** What `run` gives of the package and `args`, in a page of `server` that has nothing else. */
export async function runInPage(browser, server, run, { args = null, expected = [] } = {}) {
  const { page, problems, close } = await newPage(browser, { expected });
  try {
    await page.goto(`${server.url}blank/index.html`);
    const found = await page.evaluate(
      `import('/pkg/index.js').then((glm4v) => (${run})(glm4v, ${JSON.stringify(args)}))`,
    );
    assert.deepEqual(problems, []);
    return found;
  } finally {
    await close();
  }
}
