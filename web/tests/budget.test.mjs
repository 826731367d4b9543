import assert from 'node:assert/strict';
import { test } from 'node:test';

import { budgetOf } from '../../crates/glm4v-web/js/budget.js';

test('limits of the size are whole numbers of one kind', () => {
  assert.deepEqual(budgetOf('plan', {}), {});
  assert.deepEqual(budgetOf('plan', { maxTokens: 64, decode: 'auto' }), { maxTokens: 64 });
  assert.deepEqual(budgetOf('plan', { minPixels: 1, maxPixels: 9408 }), { minPixels: 1, maxPixels: 9408 });
  for (const [options, message] of [
    [{ maxTokens: 0 }, /plan: maxTokens: expected a whole number above 0, found 0/],
    [{ minTokens: 1.5 }, /minTokens.*found 1\.5/],
    [{ maxPixels: '9' }, /maxPixels/],
    [{ maxTokens: 1, minPixels: 1 }, /exclude each other, found maxTokens, minPixels/],
  ]) {
    assert.throws(() => budgetOf('plan', options), message);
  }
});
