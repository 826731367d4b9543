import assert from 'node:assert/strict';
import { test } from 'node:test';

import { imageOf } from '../../crates/glm4v-web/js/images.js';

test('addresses of images, where there is no page, as in a worker', () => {
  assert.equal(globalThis.document, undefined);
  assert.deepEqual(imageOf('https://example.org/a/../b.png'), [{ url: 'https://example.org/b.png' }, []]);
  assert.throws(() => imageOf('b.png'), /the image: expected a URL \(in a worker, an absolute one\), found b\.png/);
});

test('addresses of images are relative to the page', (context) => {
  context.after(() => delete globalThis.document);
  globalThis.document = { baseURI: 'https://example.org/page/' };
  assert.deepEqual(imageOf('b.png'), [{ url: 'https://example.org/page/b.png' }, []]);
});
