import assert from 'node:assert/strict';
import { test } from 'node:test';

import { BLANK, launch, LONGEST, runInPage, SITE } from './browser.mjs';
import { GOLDENS } from './goldens.mjs';
import { startServer } from './server.mjs';

test('weights are fetched once, cached, and removed on request', { timeout: LONGEST }, async (context) => {
  const server = await startServer({ mounts: { '/': SITE, '/goldens/': GOLDENS, '/blank/': { 'index.html': BLANK } } });
  const browser = await launch();
  context.after(() => Promise.all([browser.close(), server.close()]));
  const found = await runInPage(browser, server, async ({ Encoder, clearCache }) => {
    const load = async (cache) => (await Encoder.create({ model: '/goldens/patch14-f32/', device: 'wasm', cache })).free();
    const cached = async () => (await (await caches.open('glm4v-weights')).keys()).length;
    await load(false);
    const counts = [await cached()];
    await load();
    counts.push(await cached());
    await load();
    counts.push(await cached());
    return { counts, cleared: [await clearCache(), await clearCache()] };
  });
  const requests = server.requests.filter(({ path }) => path.endsWith('.safetensors'));
  const [none, once, again] = found.counts;
  assert.equal(none, 0);
  assert.ok(once > 0 && again === once, found.counts.join());
  assert.deepEqual(found.cleared, [true, false]);
  assert.equal(requests.length, 2 * (1 + once) + 1, 'the third time only the first request');
});
