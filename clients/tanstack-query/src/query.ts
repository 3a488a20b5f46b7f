import { type QueryClient, type QueryFunction, type SkipToken, skipToken } from "@tanstack/query-core";

import { isPushed } from "./connect.js";
import { keyOf } from "./key.js";

/** What `fetch` is to be given beside the URL. The query client is the cache: the browser's own asks whether what it has is still right. */
export interface FetchInit {
  signal: AbortSignal;
  /** `reload` where the caller wants no cache to answer: the browser then sends `Cache-Control: no-cache`. */
  cache: "no-cache" | "reload";
}

export interface CachedQueryOptions {
  /** Nothing is fetched: what it needs is not there yet. */
  skip?: boolean;
  /** Milliseconds for which an answer is fresh while nothing tells when it is old. Default: 0. While a connection tells, it is fresh until then. */
  staleTime?: number;
}

/** A query, for `useQuery` and whatever else takes options of TanStack Query. */
export interface CachedQuery<T> {
  queryKey: readonly unknown[];
  queryFn: QueryFunction<T> | SkipToken;
  staleTime: () => number;
}

/** Keys of queries that are to be answered by no cache. */
const reloading = new WeakSet<readonly unknown[]>();

/** The query of what `fetcher` answers, under a key of `keys.ts`. */
export function cachedQuery<T>(
  queryKey: readonly [`cache:${string}`, ...unknown[]],
  fetcher: (init: FetchInit) => Promise<T>,
  { skip = false, staleTime = 0 }: CachedQueryOptions = {},
): CachedQuery<T> {
  const key = keyOf(queryKey) as string;
  const queryFn: QueryFunction<T> = (context) =>
    fetcher({ signal: context.signal, cache: reloading.has(context.queryKey) ? "reload" : "no-cache" });
  return {
    queryKey,
    queryFn: skip ? skipToken : queryFn,
    staleTime: () => (isPushed(key) ? Infinity : staleTime),
  };
}

/** Fetches what is not there or not fresh, before anybody shows it. Never rejects. */
export async function prefetch<T>(queryClient: QueryClient, query: CachedQuery<T>): Promise<void> {
  if (query.queryFn !== skipToken) await queryClient.prefetchQuery(query);
}

/** Fetches anew what is shown or was, past all caches: the service loads it again too. */
export async function refetch(queryClient: QueryClient, { queryKey }: Pick<CachedQuery<unknown>, "queryKey">): Promise<void> {
  const query = queryClient.getQueryCache().find({ queryKey });
  if (query === undefined) return;
  reloading.add(query.queryKey);
  try {
    await queryClient.refetchQueries({ queryKey, exact: true });
  } finally {
    reloading.delete(query.queryKey);
  }
}
