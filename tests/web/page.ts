// A page over cached functions, as an application would write it. The test drives it through `app`, and reads what it shows.
import { QueryClient, QueryObserver } from "@tanstack/query-core";
import { EventSource as WithHeaders } from "eventsource";
import { type EventSourceLike, type KeyPart, cachedQuery, connectInvalidations, float, key, prefetch, refetch } from "@cache-runtime/tanstack-query";

import { keys } from "keys";

const queryClient = new QueryClient();
const heard: string[] = [];

function output(id: string): HTMLElement {
  const known = document.getElementById(id);
  if (known) return known;
  const made = document.createElement("output");
  made.id = id;
  document.body.append(made);
  return made;
}

function row(id: number, skip = false) {
  const fetcher = async (init: RequestInit) => {
    const response = await fetch(`/rows/${id}`, init);
    if (!response.ok) throw new Error(`${response.status}`);
    return (await response.json()) as number;
  };
  return cachedQuery(keys.browserClient.row(id), fetcher, { skip, staleTime: 1_000_000 });
}

function listening(source: EventSourceLike): EventSourceLike {
  for (const name of ["hears", "reset", "invalidate"]) source.addEventListener(name, () => heard.push(name));
  return source;
}

type Tagged = ["text" | "integer" | "float", string] | ["bool", boolean] | ["none"] | ["list", Tagged[]];

function part(tagged: Tagged): KeyPart {
  switch (tagged[0]) {
    case "text":
    case "bool":
      return tagged[1];
    case "integer":
      return Number.isSafeInteger(Number(tagged[1])) ? Number(tagged[1]) : BigInt(tagged[1]);
    case "float":
      return float(Number(tagged[1]));
    case "none":
      return null;
    case "list":
      return tagged[1].map(part);
  }
}

const app = {
  heard,
  /** With a token, which the browser's own `EventSource` could not send. */
  connect(token?: string) {
    const withToken = (url: string) =>
      new WithHeaders(url, {
        fetch: (url, init) => fetch(url, { ...init, headers: { ...init.headers, authorization: `Bearer ${token}` } }),
      });
    connectInvalidations({
      url: "/cache/events",
      queryClient,
      patterns: ["pages:rows:*"],
      eventSource: (url) => listening(token === undefined ? new EventSource(url) : withToken(new URL(url, location.href).href)),
      onState: (state) => (output("state").textContent = state),
    });
  },
  show(id: number, skip = false) {
    const observer = new QueryObserver(queryClient, row(id, skip));
    const shown = output(`row-${id}`);
    observer.subscribe(({ data, fetchStatus, status }) => (shown.textContent = `${data ?? status} ${fetchStatus}`));
    const { data, fetchStatus, status } = observer.getCurrentResult();
    shown.textContent = `${data ?? status} ${fetchStatus}`;
  },
  prefetch: (id: number) => prefetch(queryClient, row(id)),
  refetch: (id: number) => refetch(queryClient, row(id)),
  keys: (parts: Tagged[]) => parts.map((one) => key`d:${part(one)}`[0]),
};

Object.assign(window, { app });
