/** A map of bounded size in bytes: what was not used for longest goes first. */
export class Lru<T extends { readonly bytes: number }> {
  readonly #most: number;
  readonly #map = new Map<string, T>();
  bytes = 0;
  evictions = 0;

  /** @param most bytes of all values together */
  constructor(most: number) {
    this.#most = most;
  }

  get size(): number {
    return this.#map.size;
  }

  get(key: string): T | undefined {
    const value = this.#map.get(key);
    if (value === undefined) return undefined;
    this.#map.delete(key);
    this.#map.set(key, value);
    return value;
  }

  set(key: string, value: T): void {
    this.delete(key);
    this.#map.set(key, value);
    this.bytes += value.bytes;
    for (const oldest of this.#map.keys()) {
      if (this.bytes <= this.#most) break;
      this.delete(oldest);
      this.evictions += 1;
    }
  }

  clear(): void {
    this.#map.clear();
    this.bytes = 0;
  }

  delete(key: string): void {
    const value = this.#map.get(key);
    if (value === undefined) return;
    this.#map.delete(key);
    this.bytes -= value.bytes;
  }
}
