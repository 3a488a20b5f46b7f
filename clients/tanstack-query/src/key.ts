/** A query key that `keys.ts`, as Rust writes it, makes: `["cache:tasks:7"]`. An application may add to it: `[...task(7), { page: 2 }]`. */
export type CacheKey = readonly [`cache:${string}`];

/** What a part of a key may be. A whole number stands for an integer of Rust's; one that is an `f64` there is given as `float(1)`. `null` is `None`. */
export type KeyPart = string | number | bigint | boolean | null | Float | readonly KeyPart[];

/** A number that is an `f64` in Rust, where `1` reads `1.0`. */
export interface Float {
  readonly float: number;
}

export function float(value: number): Float {
  return { float: value };
}

/**
 * The key of `parts`, between the literal segments of a function's or a declaration's template: key`tasks:${7}`.
 *
 * Each part is encoded as in Rust (`key/encode.rs`), so that none can leave its segment. Only a part that is longer than Rust spells out is not hashed here.
 */
export function key(template: TemplateStringsArray, ...parts: readonly KeyPart[]): CacheKey {
  const text = template.reduce((text, literal, at) => text + segment(parts[at - 1] as KeyPart) + literal);
  return [`${OURS}${text}`];
}

/** The key as it stands in Redis, or nothing where the query is none of ours. */
export function keyOf(queryKey: readonly unknown[]): string | undefined {
  const first = queryKey[0];
  return typeof first === "string" && first.startsWith(OURS) ? first.slice(OURS.length) : undefined;
}

const OURS = "cache:";

function segment(part: KeyPart): string {
  return part === "" ? "%empty" : typeof part === "string" ? text(part) : nested(part);
}

/** Inside of lists text is quoted. */
function nested(part: KeyPart): string {
  switch (typeof part) {
    case "string":
      return `'${text(part)}'`;
    case "number":
      if (!Number.isSafeInteger(part)) {
        throw new TypeError(`${part} is no integer that a number can hold: use a bigint, or float()`);
      }
      return String(part + 0); // of -0 too there is one zero
    case "bigint":
    case "boolean":
      return String(part);
  }
  if (part === null) return "%none";
  if ("float" in part) return spelled(part.float);
  return `(${part.map(nested).join(",")})`;
}

/** As `{:?}` of an `f64`. */
function spelled(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value < 0 ? "-inf" : "inf";
  if (Object.is(value, -0)) return "-0.0";
  // As few digits as name the number. Where two are as near, `String()` takes the even one; asked for so many digits, JavaScript takes the larger one, as Rust does.
  const [digits, exponent] = value.toExponential().split("e") as [string, string];
  const fraction = digits.split(".")[1]?.length ?? 0;
  const size = Math.abs(value);
  if (size >= 1e16 || (size < 1e-4 && size > 0)) return value.toExponential(fraction).replace("+", "");
  const decimals = Math.max(fraction - Number(exponent), 0);
  return decimals > 0 ? value.toFixed(decimals) : `${value.toFixed()}.0`;
}

/** All but letters, digits and `-_.@/+~`; and beyond ASCII what is invisible or turns the direction of writing. */
const HIDDEN =
  /[^\w.@/+~\u{80}-\u{10ffff}-]|[\u{80}-\u{a0}\u{ad}\u{2000}-\u{200f}\u{2028}-\u{202f}\u{2060}-\u{206f}\u{3000}\u{feff}\u{fff0}-\u{ffff}\u{d800}-\u{dfff}\u{e0000}-\u{e0fff}]/gu;

const UTF8 = new TextEncoder();

function text(value: string): string {
  return value.replace(HIDDEN, (character) =>
    Array.from(UTF8.encode(character), (byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`).join(""),
  );
}

/** Bytes of a part past which Rust hashes it. */
const LONGEST = 96;

/** Whether Rust writes a hash where this segment stands. */
export function isHashed(segment: string): boolean {
  return segment.length * 3 > LONGEST && UTF8.encode(segment).length > LONGEST;
}
