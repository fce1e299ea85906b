const isObject = (v: unknown): v is Record<string, unknown> => typeof v === 'object' && v !== null && !Array.isArray(v);

/**
 * JSON Merge Patch (RFC 7396): sets keys, merges nested objects, deletes where the patch says null, replaces arrays whole.
 * The target is not changed; parts that the patch leaves alone are shared with the result, so that `===` tells what changed.
 */
export function merge(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const out: Record<string, unknown> = isObject(target) ? { ...target } : {};
  for (const key of Object.keys(patch)) {
    const value = patch[key];
    if (value === null) delete out[key];
    else Object.defineProperty(out, key, { value: merge(out[key], value), configurable: true, enumerable: true, writable: true });
  }
  return out;
}
