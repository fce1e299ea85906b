/** JSON Merge Patch (RFC 7396) between two values without null: a key set, an object merged, `null` deletes. */
type Value = unknown;
type Obj = { readonly [key: string]: Value };

const isObject = (v: Value): v is Obj => typeof v === 'object' && v !== null && !Array.isArray(v);

function same(a: Value, b: Value): boolean {
  if (Object.is(a, b)) return true;
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((x, i) => same(x, b[i]));
  if (!isObject(a) || !isObject(b)) return false;
  const keys = Object.keys(a).filter((k) => a[k] !== undefined);
  return keys.length === Object.keys(b).filter((k) => b[k] !== undefined).length && keys.every((k) => same(a[k], b[k]));
}

/**
 * Patch that leads from one object to another; `undefined` when they are equal. Identical references end the comparison early.
 * Neither may contain null, which in a patch means deletion.
 */
export function diff(from: Obj, to: Obj): Obj | undefined {
  if (from === to) return undefined;
  const patch: Record<string, Value> = {};
  for (const key of Object.keys(to)) {
    const before = from[key];
    const after = to[key];
    if (before === after || after === undefined) continue;
    if (isObject(before) && isObject(after)) {
      const inner = diff(before, after);
      if (inner !== undefined) patch[key] = inner;
    } else if (!same(before, after)) patch[key] = after;
  }
  for (const key of Object.keys(from)) if (from[key] !== undefined && to[key] === undefined) patch[key] = null;
  return Object.keys(patch).length === 0 ? undefined : patch;
}

/** Applies a merge patch; the arguments are not changed. */
export function merge(target: Value, patch: Value): Value {
  if (!isObject(patch)) return patch;
  const result: Record<string, Value> = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = merge(result[key], value);
  }
  return result;
}
