import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { chromium } from 'playwright-core';

const HERE = dirname(fileURLToPath(import.meta.url));
/** The demo page with the package in pkg/, built by `cargo xtask web`. */
export const SITE = process.env.GLM4V_SITE ?? join(HERE, '../../target/browser/site');
export const IMAGES = join(HERE, '../../tests/images');
/** An empty page that requests no icon. */
export const BLANK = '<!doctype html><title>blank</title><link rel="icon" href="data:,">';
/** Chromium logs every response with status 400 and above. Some tests expect such responses. */
export const STATUS = /Failed to load resource/;
/** transformers 4 wrote no such file, and the package asks for it. */
const OLD_LAYOUT = /Failed to load resource.*\/processor_config\.json/;
/** Time limits in milliseconds, for one step and for one test. SwiftShader takes seconds to compile a shader. */
export const PATIENCE = Number(process.env.GLM4V_PATIENCE ?? 60_000);
export const LONGEST = 4 * PATIENCE;

const FLAGS = [
  '--headless', '--no-sandbox', '--disable-background-networking', '--disable-component-update', '--no-first-run',
  '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream',
];
const WEBGPU = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];

/** Starts Chromium, with WebGPU on SwiftShader or without WebGPU. */
export function launch({ webgpu = true } = {}) {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [...FLAGS, ...(webgpu ? WEBGPU : ['--disable-features=WebGPU', '--disable-blink-features=WebGPU'])],
  });
}

/**
 * Opens a page and collects its problems: uncaught errors, and console errors of the page and its workers. Messages that
 * match a pattern of `expected` are left out. A test checks that `problems` is empty at its end.
 */
export async function newPage(browser, { expected = [], ...options } = {}) {
  const context = await browser.newContext({ acceptDownloads: true, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  const problems = [];
  const note = (text) => [OLD_LAYOUT, ...expected].some((pattern) => pattern.test(text)) || problems.push(text);
  page.on('pageerror', (error) => note(`uncaught: ${error.message}`));
  page.on('console', (message) => message.type() === 'error' && note(`console: ${message.text()} (${message.location().url})`));
  page.on('crash', () => note('the page crashed'));
  return { page, problems, close: () => context.close() };
}

/** Runs `run(package, args)` in an empty page of `server` and returns its result. */
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
