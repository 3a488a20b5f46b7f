import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";

import { QueryClient, QueryObserver } from "@tanstack/query-core";

import { type EventSourceLike, type FetchInit, cachedQuery, connectInvalidations, key, prefetch, refetch } from "../src/index.js";

/** A connection whose events the test makes up. */
class Source implements EventSourceLike {
  readyState = 1;
  readonly listeners: Record<string, (event: { data?: unknown }) => void> = {};

  constructor(readonly url: string) {}

  addEventListener(type: string, listener: (event: { data?: unknown }) => void): void {
    this.listeners[type] = listener;
  }

  send(type: string, data: unknown = null): void {
    this.listeners[type]?.({ data: JSON.stringify(data) });
  }

  close(): void {
    this.readyState = 2;
  }
}

function connected(t: TestContext, patterns = ["tasks:*"]) {
  const queryClient = new QueryClient();
  const sources: Source[] = [];
  const eventSource = (url: string) => {
    sources.push(new Source(url));
    return sources.at(-1) as Source;
  };
  const handle = connectInvalidations({ url: "/events", queryClient, patterns, eventSource });
  t.after(() => {
    handle.close();
    queryClient.clear();
  });
  sources[0]?.send("hears", patterns);
  return { queryClient, handle, sources, source: sources[0] as Source };
}

/** Answers that the test gives, one by one. */
function asked() {
  const waiting: ((answer: number) => void)[] = [];
  const inits: FetchInit[] = [];
  const fetcher = (init: FetchInit) => {
    inits.push(init);
    return new Promise<number>((answer) => waiting.push(answer));
  };
  const answer = async (value: number, at = waiting.length - 1) => {
    waiting[at]?.(value);
    await turn();
  };
  return { fetcher, inits, answer };
}

test("what is asked for stands in the URL", (t) => {
  const { sources } = connected(t, ["tasks:*", "a:ä"]);
  assert.equal(sources[0]?.url, "/events?pattern=tasks%3A*&pattern=a%3A%C3%A4");
});

test("what is old is fetched anew where it is shown, and nothing else", async (t) => {
  const { queryClient, source } = connected(t);
  const [one, other] = [asked(), asked()];
  const stops = [
    new QueryObserver(queryClient, cachedQuery(key`tasks:${1}`, one.fetcher)).subscribe(() => {}),
    new QueryObserver(queryClient, cachedQuery([...key`tasks:${2}`, { page: 2 }], other.fetcher)).subscribe(() => {}),
  ];
  await one.answer(1);
  await other.answer(1);
  source.send("invalidate", ["tasks:1", "others:2"]);
  await one.answer(2);
  assert.equal(queryClient.getQueryData(key`tasks:${1}`), 2);
  assert.deepEqual([one.inits.length, other.inits.length], [2, 1]);
  source.send("invalidate", ["tasks:2"]);
  assert.equal(other.inits.length, 2);
  source.send("reset");
  assert.deepEqual([one.inits.length, other.inits.length], [3, 3]);
  for (const stop of stops) stop();
});

test("an answer on its way from before is not believed", async (t) => {
  const { queryClient, source } = connected(t);
  const { fetcher, inits, answer } = asked();
  const query = cachedQuery(key`tasks:${1}`, fetcher);
  const stop = new QueryObserver(queryClient, query).subscribe(() => {});
  source.send("invalidate", ["tasks:1"]);
  await answer(1);
  assert.equal(inits.length, 2, "asked again, once it had come");
  await answer(2);
  assert.equal(queryClient.getQueryData(query.queryKey), 2);
  stop();

  // Nobody shows this one: it is old when somebody does.
  const unseen = asked();
  const prefetched = cachedQuery(key`tasks:${2}`, unseen.fetcher);
  const done = prefetch(queryClient, prefetched);
  source.send("invalidate", ["tasks:2"]);
  await unseen.answer(1);
  await done;
  const later = prefetch(queryClient, prefetched);
  assert.equal(unseen.inits.length, 2);
  await unseen.answer(2);
  await later;
});

test("an answer is fresh while it would be told of, and else for its time", async (t) => {
  const { queryClient, source, sources, handle } = connected(t);
  const query = cachedQuery(key`tasks:${1}`, async () => 1, { staleTime: 5 });
  assert.equal(query.staleTime(), Infinity);
  assert.equal(cachedQuery(key`others:${1}`, async () => 1).staleTime(), 0);
  source.listeners["error"]?.({});
  assert.deepEqual([handle.state, query.staleTime()], ["connecting", 5]);
  source.send("hears", []);
  assert.deepEqual([handle.state, query.staleTime()], ["connecting", 5], "the service itself does not hear");
  source.send("hears", ["tasks:2"]);
  assert.deepEqual([handle.state, query.staleTime()], ["open", 5]);
  source.send("hears", ["tasks:*"]);
  assert.equal(query.staleTime(), Infinity);
  handle.close();
  assert.deepEqual([handle.state, query.staleTime(), source.readyState], ["closed", 5, 2]);
  source.send("hears", ["tasks:*"]);
  assert.deepEqual([handle.state, query.staleTime(), sources.length], ["closed", 5, 1]);
  queryClient.clear();
});

test("a connection that is refused or silent is made anew", (t) => {
  // Not those of node:test, which take other arguments in each version.
  const { setTimeout, clearTimeout } = globalThis;
  let next: { act: () => void; after: number } | undefined;
  globalThis.setTimeout = ((act: () => void, after: number) => (next = { act, after })) as never;
  globalThis.clearTimeout = (() => (next = undefined)) as never;
  t.after(() => Object.assign(globalThis, { setTimeout, clearTimeout }));
  const elapse = () => {
    const { act, after } = next ?? assert.fail("nothing is waited for");
    act();
    return after;
  };

  const { source, sources, handle } = connected(t);
  source.send("alive");
  assert.deepEqual([next?.after, handle.state, sources.length], [45_000, "open", 1]);
  elapse();
  assert.deepEqual([source.readyState, handle.state, sources.length], [2, "connecting", 2]);
  source.send("hears", ["tasks:*"]);
  assert.equal(handle.state, "connecting", "that one is over");

  for (const wait of [1, 2, 4, 8, 16, 30, 30]) {
    const last = sources.at(-1) as Source;
    last.readyState = 2;
    last.listeners["error"]?.({});
    const waited = elapse() / 1000;
    assert.ok(wait <= waited && waited <= wait * 1.25, `${waited} for ${wait}`);
  }
  assert.equal(sources.length, 9);
});

test("what is skipped is not fetched, and what is refetched no cache answers", async (t) => {
  const { queryClient } = connected(t);
  const { fetcher, inits, answer } = asked();
  const skipped = cachedQuery(key`tasks:${1}`, fetcher, { skip: true });
  const skipping = new QueryObserver(queryClient, skipped).subscribe(() => {});
  await prefetch(queryClient, skipped);
  await refetch(queryClient, skipped);
  assert.equal(inits.length, 0);
  skipping();

  const query = cachedQuery(key`tasks:${1}`, fetcher);
  const stop = new QueryObserver(queryClient, query).subscribe(() => {});
  await answer(1);
  const done = refetch(queryClient, query);
  await answer(2);
  await done;
  void queryClient.invalidateQueries({ queryKey: query.queryKey });
  await answer(3);
  assert.deepEqual(inits.map((init) => init.cache), ["no-cache", "reload", "no-cache"]);
  stop();
});
