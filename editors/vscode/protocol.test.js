'use strict';

const assert = require('node:assert');
const { test } = require('node:test');
const { Frames, frame } = require('./protocol');

test('messages arrive in any pieces', () => {
  const bytes = Buffer.from(frame({ id: 1, method: 'ä' }) + frame({ id: 2, method: 'b' }));
  for (let size = 1; size <= bytes.length; size++) {
    const frames = new Frames();
    const got = [];
    for (let from = 0; from < bytes.length; from += size) {
      got.push(...frames.take(bytes.subarray(from, from + size)));
    }
    assert.deepStrictEqual(got.map((message) => message.method), ['ä', 'b']);
  }
});
