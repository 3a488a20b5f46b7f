export { type ConnectOptions, type EventSourceLike, type Invalidations, type State, connectInvalidations } from "./connect.js";
export { type CacheKey, type Float, type KeyPart, float, key } from "./key.js";
export { type CachedQuery, type CachedQueryOptions, type FetchInit, cachedQuery, prefetch, refetch } from "./query.js";
