import assert from "node:assert/strict";
import { test } from "node:test";

import { float, key } from "../src/index.js";
import { mayName, names } from "../src/pattern.js";

test("a part stays in its segment", () => {
  const cases = [
    [key`tasks:${7}`, "tasks:7"],
    [key`tasks:${7n}:${"a:b *%"}`, "tasks:7:a%3Ab%20%2A%25"],
    [key`exec:v${1}:${""}:${null}:${true}`, "exec:v1:%empty:%none:true"],
    [key`d:${[1, "a", null, []]}`, "d:(1,'a',%none,())"],
    [key`d:${"Zürich 🦀\u202e\ud800"}`, "d:Zürich%20🦀%E2%80%AE%EF%BF%BD"],
    [key`d:${float(-244203802963670.625)}:${float(0.3)}:${float(9007199254740992)}:${float(1.5e300)}`, "d:-244203802963670.63:0.3:9007199254740992.0:1.5e300"],
    [key`d:${float(1)}:${float(1.5e-5)}:${float(1e16)}:${float(-0)}:${-0}`, "d:1.0:1.5e-5:1e16:-0.0:0"],
    [key`whole`, "whole"],
  ] as const;
  for (const [made, text] of cases) assert.deepEqual(made, [`cache:${text}`]);
});

test("a number that is no integer is refused", () => {
  for (const number of [1.5, NaN, 2 ** 53]) assert.throws(() => key`d:${number}`, TypeError);
});

test("a pattern names what it says, segment by segment", () => {
  for (const [pattern, key, named] of [
    ["tasks:7", "tasks:7", true],
    ["tasks:7", "tasks:7:x", false],
    ["tasks:7:x", "tasks:7", false],
    ["tasks:*", "tasks:7:x", true],
    ["tasks:*", "tasks", false],
    ["tasks:*:x", "tasks:7:x", true],
    ["tasks:*:x", "tasks:7:y", false],
    ["a:ws12*", "a:ws123", true],
    ["a:ws12*", "a:ws1", false],
    ["a:*b*d", "a:abcd", true],
    ["a:*b*bd", "a:abd", false],
  ] as const) {
    assert.equal(mayName(pattern, key), named, `${pattern} ${key}`);
    assert.equal(names(pattern, key), named, `${pattern} ${key}`);
  }
});

test("of what Rust hashes it is only known that it may be meant", () => {
  const long = `d:${"x".repeat(97)}`;
  assert.deepEqual([mayName("d:%h0", long), names("d:%h0", long), names("d:*", long)], [true, false, true]);
  assert.equal(mayName("e:*", long), false);
});
