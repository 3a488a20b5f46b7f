import { isHashed } from "./key.js";

/** Whether `pattern` may name `key`. Of a segment that is hashed in Rust it is not known here, so it may. */
export function mayName(pattern: string, key: string): boolean {
  return fits(pattern, key, true);
}

/** Whether `pattern` certainly names `key`. */
export function names(pattern: string, key: string): boolean {
  return fits(pattern, key, false);
}

/** Segment by segment, as `Pattern::matches` in Rust: `*` is one segment, and at the end all that follow. */
function fits(pattern: string, key: string, hashed: boolean): boolean {
  const [patterns, segments] = [pattern.split(":"), key.split(":")];
  const open = pattern.endsWith(":*");
  const long = open ? segments.length >= patterns.length : segments.length === patterns.length;
  return long && patterns.every((pattern, at) => covers(pattern, segments[at] as string, hashed));
}

function covers(pattern: string, segment: string, hashed: boolean): boolean {
  if (pattern === "*") return true;
  if (isHashed(segment)) return hashed;
  const pieces = pattern.split("*");
  if (pieces.length === 1) return pattern === segment;
  const [head, tail] = [pieces.shift() as string, pieces.pop() as string];
  if (!segment.startsWith(head)) return false;
  let from = head.length;
  for (const piece of pieces) {
    const at = segment.indexOf(piece, from);
    if (at < 0) return false;
    from = at + piece.length;
  }
  return segment.length - from >= tail.length && segment.endsWith(tail);
}
