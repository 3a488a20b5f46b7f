import type { Query, QueryClient } from "@tanstack/query-core";

import { keyOf } from "./key.js";
import { mayName, names } from "./pattern.js";

/** `open`: whatever becomes old is told of. */
export type State = "connecting" | "open" | "closed";

export interface ConnectOptions {
  /** Where the router of `Pushes` is, with its `/events`. No token belongs into it: URLs are logged. */
  url: string;
  queryClient: QueryClient;
  /** Of what keys: `tasks:7:*`. Left out, all that the service lets this client hear of. */
  patterns?: readonly string[];
  /** Whether cookies are sent to another origin. */
  withCredentials?: boolean;
  /** Makes the connection. Default: the browser's `EventSource`, which cannot send headers. */
  eventSource?: (url: string, init: { withCredentials: boolean }) => EventSourceLike;
  onState?: (state: State) => void;
}

/** What of an `EventSource` is used. */
export interface EventSourceLike {
  readonly readyState: number;
  addEventListener(type: string, listener: (event: { data?: unknown }) => void): void;
  close(): void;
}

export interface Invalidations {
  readonly state: State;
  /** Ends the connection; from then on queries are fresh for their own `staleTime`. */
  close(): void;
}

/** Milliseconds without any event after which the connection is dead: the service sends one each 15 seconds. */
const SILENCE = 45_000;

/** Milliseconds between attempts where the browser makes none; doubled from the first to the last. */
const FIRST_WAIT = 1_000;
const LAST_WAIT = 30_000;

const CLOSED = 2;

/** What open connections hear of. */
const heard = new Set<readonly string[]>();

/** Whether it is told when `key` becomes old. */
export function isPushed(key: string): boolean {
  return [...heard].some((patterns) => patterns.some((pattern) => names(pattern, key)));
}

/** Invalidates queries of `queryClient` as soon as what they show is old. Ended by the handle's `close`. */
export function connectInvalidations(options: ConnectOptions): Invalidations {
  const connection = new Connection(options);
  connection.connect();
  return connection;
}

class Connection implements Invalidations {
  state: State = "connecting";
  #source: EventSourceLike | undefined;
  #hears: readonly string[] = [];
  #wait = FIRST_WAIT;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #options: ConnectOptions;
  readonly #url: string;

  constructor(options: ConnectOptions) {
    this.#options = options;
    const query = (options.patterns ?? []).map((pattern) => `pattern=${encodeURIComponent(pattern)}`).join("&");
    this.#url = query ? `${options.url}${options.url.includes("?") ? "&" : "?"}${query}` : options.url;
  }

  connect(): void {
    const { withCredentials = false, eventSource = (url, init) => new EventSource(url, init) } = this.#options;
    const source = eventSource(this.#url, { withCredentials });
    this.#source = source;
    const on = (type: string, act: (patterns: readonly string[]) => void) =>
      source.addEventListener(type, (event) => {
        if (source !== this.#source) return;
        this.#again(SILENCE);
        act(JSON.parse(String(event.data)) as readonly string[]);
      });
    on("hears", (patterns) => this.#hear(patterns));
    on("invalidate", (patterns) => invalidate(this.#options.queryClient, (key) => patterns.some((pattern) => mayName(pattern, key))));
    on("reset", () => invalidate(this.#options.queryClient, () => true));
    on("alive", () => {});
    source.addEventListener("error", () => {
      if (source === this.#source) this.#failed(source.readyState === CLOSED);
    });
    this.#again(SILENCE);
  }

  close(): void {
    this.#drop();
    this.#become("closed");
  }

  /** Of no pattern where the service itself cannot hear of all. */
  #hear(patterns: readonly string[]): void {
    this.#wait = FIRST_WAIT;
    heard.delete(this.#hears);
    this.#hears = patterns;
    heard.add(patterns);
    this.#become(patterns.length > 0 ? "open" : "connecting");
  }

  /** The browser tries again by itself, unless it was `refused`. */
  #failed(refused: boolean): void {
    heard.delete(this.#hears);
    if (refused) {
      this.#again(this.#wait * (1 + Math.random() / 4));
      this.#wait = Math.min(this.#wait * 2, LAST_WAIT);
    }
    this.#become("connecting");
  }

  /** Connects anew after so many milliseconds. */
  #again(after: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#drop();
      this.#become("connecting");
      this.connect();
    }, after);
  }

  #drop(): void {
    clearTimeout(this.#timer);
    heard.delete(this.#hears);
    this.#source?.close();
    this.#source = undefined;
  }

  #become(state: State): void {
    if (this.state === state) return;
    this.state = state;
    this.#options.onState?.(state);
  }
}

/** Has all queries fetched anew, now or when they are shown, whose answer may be from before. */
function invalidate(queryClient: QueryClient, isOld: (key: string) => boolean): void {
  const predicate = (query: Query) => {
    const key = keyOf(query.queryKey);
    return key !== undefined && isOld(key);
  };
  const fetching = queryClient.getQueryCache().findAll({ predicate, fetchStatus: "fetching" });
  const before = fetching.map((query) => [query, query.promise] as const);
  void queryClient.invalidateQueries({ predicate });
  for (const [query, promise] of before) {
    // Without data, or unseen, it was not begun anew: its answer is from before, and would count as fresh.
    const again = () => queryClient.invalidateQueries({ predicate: (other) => other === query });
    if (query.promise === promise) promise?.then(again, again);
  }
}
