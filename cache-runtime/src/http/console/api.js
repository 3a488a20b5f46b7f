// The management API. It stands beside this page, wherever that is.

const KEPT = "cache-console-token";
/** Milliseconds: health takes a second, a page of keys too. */
const PATIENCE = 10_000;

/** What the API refused. Its status is 0 when nobody has answered, or something else than the API. */
export class Refusal extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** The token: of this tab, until it is closed. */
export const token = {
  get: () => sessionStorage.getItem(KEPT),
  keep: (secret) => sessionStorage.setItem(KEPT, secret),
  forget: () => sessionStorage.removeItem(KEPT),
};

/** Asks, and answers what the API does; throws a `Refusal`. `patience` is in milliseconds. */
export async function ask(method, path, { body, secret = token.get(), patience = PATIENCE } = {}) {
  const headers = {};
  if (secret) headers.Authorization = `Bearer ${secret}`;
  if (body) headers["Content-Type"] = "application/json";
  let response, answer;
  try {
    response = await fetch(`../${path}`, {
      method,
      headers,
      body: body && JSON.stringify(body),
      cache: "no-store",
      redirect: "error",
      signal: AbortSignal.timeout(patience),
    });
    answer = await response.json();
  } catch {
    throw new Refusal(0, "unreachable", "the service does not answer");
  }
  if (response.ok) return answer;
  const { code = "unknown", message = `status ${response.status}` } = answer?.error ?? {};
  throw new Refusal(response.status, code, message);
}

/** A path or a query with whatever stands in it. */
export const path = (texts, ...values) =>
  String.raw({ raw: texts }, ...values.map(encodeURIComponent));
