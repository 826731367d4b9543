import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { ChunkCache } from '../../crates/glm4v-web/js/cache.js';
import { configurations } from '../../crates/glm4v-web/js/configurations.js';
import { Http } from '../../crates/glm4v-web/js/http.js';
import { fill } from '../../crates/glm4v-web/js/load.js';
import { portOf } from '../../crates/glm4v-web/js/stream.js';
import { openWeights } from '../../crates/glm4v-web/js/weights.js';
import { startServer } from './server.mjs';
import { safetensors, TowerLoader } from './tensors.mjs';

const big = { shape: [200_000], fill: 5 };
const single = safetensors({
  'lm_head.weight': big,
  'model.visual.a': { shape: [3, 4], fill: 1 },
  'model.language_model.b': big,
  'model.visual.c': { shape: [100_000], fill: 2 },
  'model.language_model.d': big,
});
const shard = (name, fill) => safetensors({ 'lm_head.weight': big, [`model.visual.${name}`]: { shape: [70_000], fill } });
const sharded = {
  'model-1.safetensors': shard('a', 1),
  'model-2.safetensors': safetensors({ 'lm_head.weight': big }),
  'model-3.safetensors': shard('c', 3),
  'model.safetensors.index.json': JSON.stringify({
    weight_map: {
      'model.visual.a': 'model-1.safetensors',
      'lm_head.weight': 'model-2.safetensors',
      'model.visual.c': 'model-3.safetensors',
    },
  }),
};
const COMMIT = 'c0ffee0123456789abcdef0123456789abcdef01';
const LATER = 'decaf00123456789abcdef0123456789abcdef01';

let server;
before(async () => {
  const configs = { 'config.json': '{"c":1}', 'preprocessor_config.json': '{"p":1}' };
  server = await startServer({
    mounts: {
      '/single/': { ...configs, 'model.safetensors': single },
      '/sharded/': { ...configs, ...sharded },
      '/nested/': { 'config.json': '{"c":1}', 'processor_config.json': '{"n":1}' },
      '/no-image/': { 'config.json': '{"c":1}', 'video_preprocessor_config.json': '{"v":1}' },
      '/both/': { ...configs, 'processor_config.json': '{"n":1}', 'video_preprocessor_config.json': '{"v":1}' },
      [`/owner/model/resolve/${COMMIT}/`]: { ...configs, 'model.safetensors': single },
      '/owner/model/resolve/main/': configs,
      [`/owner/model/resolve/${LATER}/`]: { ...configs, ...sharded },
      [`/owner/other/resolve/${COMMIT}/`]: { ...configs, 'model.safetensors': single },
    },
    headers: { 'x-repo-commit': COMMIT },
  });
});
afterEach(() => {
  server.heal();
  server.requests.length = 0;
});
after(() => server.close());

test('only the tower of a single file is read, by ranges', async () => {
  const { received, progress } = await load({ base: at('single/') });
  assert.deepEqual(values(received), tower(single));
  const ranges = server.requests.map(({ headers }) => headers.range);
  assert.equal(ranges.length, 3, `expected the first request and a range for each tensor, found ${ranges}`);
  assert.equal(progress.loaded, progress.total);
});

test('only the shards that hold the tower are read', async () => {
  const { received } = await load({ base: at('sharded/') });
  assert.deepEqual(values(received), [...tower(sharded['model-1.safetensors']), ...tower(sharded['model-3.safetensors'])]);
  assert.ok(!server.requests.some(({ path }) => path.endsWith('model-2.safetensors')));
});

test('an index by its address', async () => {
  const { received } = await load({ weights: { url: `${server.url}sharded/model.safetensors.index.json` } });
  assert.equal(received.length, 2);
});

for (const name of ['single', 'sharded']) {
  test(`files of a server without ranges are streamed: ${name}`, async () => {
    server.fault('.safetensors', { noRanges: true });
    const { received, progress } = await load({ base: at(`${name}/`) });
    const files = name === 'single' ? [single] : [sharded['model-1.safetensors'], sharded['model-3.safetensors']];
    assert.deepEqual(values(received), files.flatMap(tower));
    assert.equal(progress.loaded, progress.total);
  });
}

for (const [how, fault] of [['ranges', { cut: 100_000, inside: true }], ['streaming', { noRanges: true, cut: 900_000 }]]) {
  test(`a broken connection is opened again, with ${how}`, async () => {
    server.fault('model.safetensors', { ...fault, times: 2 });
    const { received, progress } = await load({ base: at('single/') });
    assert.deepEqual(values(received), tower(single));
    assert.equal(progress.loaded, progress.total);
    server.fault('model.safetensors', fault);
    await refuses({ base: at('single/') }, /model\.safetensors: (expected \d+ bytes, found \d+: the connection broke|the (connection broke|file ended).* after \d+ bytes, expected at least \d+)/);
  });
}

test('short responses are refused', async () => {
  server.fault('model.safetensors', { short: 5, inside: true });
  await refuses({ base: at('single/') }, /single\/model\.safetensors: expected 48 bytes, found 43: the response ended early/);
});

test('a wrong Content-Range is refused', async () => {
  server.fault('model.safetensors', { wrongRange: true });
  await refuses({ base: at('single/') }, /expected Content-Range bytes 0-262143\/…, found bytes 1-262144\/2800/);
  server.fault('model.safetensors', { wrongRange: true, inside: true });
  await refuses({ base: at('single/') }, /expected Content-Range bytes \d+-\d+\/…, found bytes/);
});

test('a file that changes while it is read is refused', async () => {
  server.fault('model.safetensors', { etag: '"other"', inside: true });
  await refuses({ base: at('single/') }, /the file changed while it was read: .*; load the model again/);
});

test('a truncated file is refused', async () => {
  server.fault('model.safetensors', { edit: (bytes) => bytes.subarray(0, 900_000) });
  await refuses({ base: at('single/') }, /model\.safetensors: expected \d+ bytes, found 900000/);
  await refuses({ weights: { files: [new File([single.subarray(0, 5)], 'cut.safetensors')] } }, /^cut\.safetensors: expected a safetensors file, found 5 bytes/);
});

for (const [status, advice] of [[401, /private or gated.*pass a token/], [403, /private or gated/], [404, /there is no such file/], [418, /refuses to send the file/]]) {
  test(`status ${status}`, async () => {
    server.fault('.json', { status });
    await assert.rejects(configurations(request({ base: at('single/') }), http()), (error) => {
      assert.match(error.message, new RegExp(`^http.*/single/config\\.json: the server answered with status ${status}`));
      assert.match(error.message, advice);
      return true;
    });
  });
}

test('a request to a busy server is repeated', async () => {
  server.fault('config.json', { status: 503, times: 2 });
  const { config } = await configurations(request({ base: at('single/') }), http());
  assert.equal(config, '{"c":1}');
});

test('no server, and a web page instead of a file', async () => {
  const closed = await startServer();
  await closed.close();
  await assert.rejects(
    configurations(request({ base: { directory: closed.url } }), http()),
    /config\.json: no response .*Access-Control-Allow-Origin/,
  );
  server.fault('config.json', { type: 'text/html' });
  await assert.rejects(configurations(request({ base: at('single/') }), http()), /found a web page; check the address/);
});

test('a directory without weights', async () => {
  server.fault('model.safetensors', { status: 404 });
  await refuses({ base: at('single/') }, /single\/: expected model\.safetensors or model\.safetensors\.index\.json, found neither/);
});

test("a hub's files are read from the commit that the first response names, and only the hub receives the token", async () => {
  const hub = server.url.slice(0, -1);
  const other = await startServer({ mounts: { '/': { 'v.json': '{"v":1}' } } });
  const web = new Http({ hub, token: 'secret', waits: [] });
  const repository = `${hub}/owner/model/resolve/`;
  const videoPreprocessor = { url: `${other.url}v.json` };
  const { base } = await configurations(request({ base: { repository, revision: 'main' }, videoPreprocessor }), web);
  await load({ base }, web);
  const paths = server.requests.map(({ path }) => path);
  assert.deepEqual(new Set(paths.slice(1).map((path) => path.split('/')[4])), new Set([COMMIT]));
  assert.ok(server.requests.every(({ headers }) => headers.authorization === 'Bearer secret'));
  assert.ok(other.requests.length === 1 && other.requests[0].headers.authorization === undefined);
  await other.close();
});

test('the files of the processors are read in both layouts, and a file that is passed wins', async () => {
  const texts = async (options) => {
    const { processor, preprocessor, videoPreprocessor, replaced } = await configurations(request(options), http());
    return [processor, preprocessor, videoPreprocessor, ...replaced];
  };
  const none = undefined;
  const [image, video] = [{ preprocessor: { text: '{}' } }, { videoPreprocessor: { text: '{}' } }];
  assert.deepEqual(await texts({ base: at('nested/') }), ['{"n":1}', none, none]);
  assert.deepEqual(await texts({ base: at('both/') }), ['{"n":1}', '{"p":1}', '{"v":1}']);
  assert.deepEqual(await texts({ base: at('single/') }), [none, '{"p":1}', none]);
  const [imageFile, videoFile] = ['preprocessor_config.json', 'video_preprocessor_config.json'];
  assert.deepEqual(await texts({ base: at('both/'), ...image }), ['{"n":1}', '{}', '{"v":1}', imageFile]);
  assert.deepEqual(await texts({ base: at('both/'), ...video }), ['{"n":1}', '{"p":1}', '{}', videoFile]);
  assert.deepEqual(await texts({ base: at('nested/'), ...image }), ['{"n":1}', '{}', none, imageFile]);
  assert.deepEqual(await texts({ base: at('nested/'), ...video }), ['{"n":1}', none, '{}', videoFile]);
  assert.deepEqual(await texts({ base: at('single/'), ...video }), [none, '{"p":1}', '{}', videoFile]);
  assert.deepEqual(await texts({ base: at('no-image/'), ...image }), [none, '{}', '{"v":1}', imageFile]);
  assert.deepEqual(await texts({ config: { text: '{}' }, processor: { text: '{}' } }), ['{}', none, none, 'processor_config.json']);
  await assert.rejects(
    texts({ base: at('no-image/'), ...video }),
    /no-image\/: expected processor_config\.json or preprocessor_config\.json, found neither; check the address, or pass/,
  );
});

test('picked files, with and without their index', async () => {
  const file = (name) => new File([sharded[name]], name);
  const shards = [file('model-3.safetensors'), file('model-1.safetensors')];
  const without = await load({ weights: { files: shards } });
  assert.equal(without.received.length, 2);
  const index = file('model.safetensors.index.json');
  const together = await load({ weights: { files: [...shards, index] } });
  assert.deepEqual(values(together.received), [...tower(sharded['model-1.safetensors']), ...tower(sharded['model-3.safetensors'])]);
  await refuses({ weights: { files: [shards[1], index] } }, /expected the file model-3\.safetensors as well, found model-1\.safetensors; pick/);
});

test('a stream, complete and truncated', async () => {
  const stream = (bytes) => ({ port: portOf(new Blob([bytes]).stream()).port });
  const { received, progress } = await load({ weights: stream(single) });
  assert.deepEqual(values(received), tower(single));
  assert.equal(progress.loaded, progress.total);
  await refuses({ weights: stream(single.subarray(0, 900_000)) }, /the stream of weights: the file ended after 900000 bytes, expected at least \d+/);
  const broken = new ReadableStream({ pull: (controller) => controller.error(new Error('unplugged')) });
  await refuses({ weights: { port: portOf(broken).port } }, /the stream of weights: .*unplugged/);
});

test('ranges are read from the cache, unless the file has changed', async () => {
  const cache = new ChunkCache(memoryCache());
  await load({ base: at('single/') }, http(), cache);
  server.requests.length = 0;
  const again = await load({ base: at('single/') }, http(), cache);
  assert.deepEqual(values(again.received), tower(single));
  assert.equal(server.requests.length, 1, 'only the first request');
  server.fault('model.safetensors', { etag: '"other"' });
  server.requests.length = 0;
  await load({ base: at('single/') }, http(), cache);
  assert.equal(server.requests.length, 3);
});

test('a later commit on a hub takes the place of an earlier one in the cache', async () => {
  const stored = memoryCache();
  const cached = async () => (await stored.keys()).map(({ url }) => new URL(url).pathname.split('/').slice(2, 5).join('/'));
  const loadCommit = (model, commit) => {
    const directory = `${server.url}owner/${model}/resolve/${commit}/`;
    return load({ base: { directory, commit } }, http(), new ChunkCache(stored));
  };
  await loadCommit('other', COMMIT);
  await loadCommit('model', COMMIT);
  assert.deepEqual(new Set(await cached()), new Set([`other/resolve/${COMMIT}`, `model/resolve/${COMMIT}`]));
  // Its files have other names: it has shards.
  await loadCommit('model', LATER);
  assert.deepEqual(new Set(await cached()), new Set([`other/resolve/${COMMIT}`, `model/resolve/${LATER}`]));
});

test('a full cache is not an error', async () => {
  const full = { ...memoryCache(), put: async () => { throw new DOMException('full', 'QuotaExceededError'); } };
  const { received } = await load({ base: at('single/') }, http(), new ChunkCache(full));
  assert.deepEqual(values(received), tower(single));
});

test('an index that points outside its directory is refused', async () => {
  server.fault('.index.json', { edit: () => Buffer.from(JSON.stringify({ weight_map: { 'model.visual.a': '../single/model.safetensors' } })) });
  await refuses({ base: at('sharded/') }, /expected names of files in the index's directory, found "\.\.\/single/);
});

function at(path) {
  return { directory: server.url + path };
}

function request(parts) {
  return { config: undefined, preprocessor: undefined, videoPreprocessor: undefined, ...parts };
}

function http() {
  return new Http({ waits: [1, 1, 1] });
}

async function load(sources, web = http(), cache = new ChunkCache()) {
  const loader = new TowerLoader();
  const progress = { loaded: 0, total: 0, expect(total) { this.total = total; }, add(bytes) { this.loaded += bytes; } };
  const files = await openWeights(sources, { http: web, cache }, (text, name) => loader.shards(text, name));
  await fill({ Loader: TowerLoader }, loader, files, progress);
  files.forEach((file) => file.cancel?.());
  return { received: loader.received, progress };
}

function refuses(sources, message) {
  return assert.rejects(load(sources), (error) => {
    assert.match(error.message, message);
    return true;
  });
}

/** The first and last value of each received tensor, and its number of values. */
function values(received) {
  return received.map(({ bytes }) => [bytes.readFloatLE(0), bytes.readFloatLE(bytes.length - 4), bytes.length / 4]);
}

function tower(file) {
  const header = JSON.parse(file.subarray(8, 8 + Number(file.readBigUInt64LE())));
  const data = file.subarray(8 + Number(file.readBigUInt64LE()));
  const entries = Object.entries(header).filter(([name]) => name.startsWith('model.visual.'));
  return values(entries.map(([, { data_offsets: [start, end] }]) => ({ bytes: data.subarray(start, end) })));
}

function memoryCache() {
  const stored = new Map();
  return {
    match: async (key) => stored.get(key)?.clone(),
    put: async (key, response) => void stored.set(key, response),
    keys: async () => [...stored.keys()].map((url) => ({ url })),
    delete: async ({ url }) => stored.delete(url),
  };
}
