const isBranch = (v: unknown): v is object => typeof v === 'object' && v !== null;

const summary = (v: object): string => {
  const n = Object.keys(v).length;
  return Array.isArray(v) ? `[${n}]` : `{${n}}`;
};

const day = 86_400_000;

/** Epoch milliseconds of the years around now are explained on hover. */
function hint(v: unknown): string | undefined {
  const near = typeof v === 'number' && Math.abs(v - Date.now()) < 400 * day;
  return near ? new Date(v).toISOString() : undefined;
}

/** A JSON value as a tree; large branches start closed. */
export function Json({ value, name, open = 2 }: { readonly value: unknown; readonly name?: string; readonly open?: number }) {
  if (!isBranch(value)) {
    return (
      <div class="leaf">
        {name !== undefined && <span class="key">{name}</span>}
        <span class={`v ${value === null ? 'null' : typeof value}`} title={hint(value)}>
          {typeof value === 'string' ? `"${value}"` : String(value)}
        </span>
      </div>
    );
  }
  const entries = Object.entries(value);
  if (entries.length === 0) {
    return (
      <div class="leaf">
        {name !== undefined && <span class="key">{name}</span>}
        <span class="v null">{Array.isArray(value) ? '[]' : '{}'}</span>
      </div>
    );
  }
  if (name === undefined) {
    return (
      <div class="json">
        {entries.map(([k, v]) => (
          <Json key={k} name={k} value={v} open={open - 1} />
        ))}
      </div>
    );
  }
  return (
    <details class="branch" open={open > 0 && entries.length <= 12}>
      <summary>
        <span class="key">{name}</span>
        <span class="v null">{summary(value)}</span>
      </summary>
      <div class="inside">
        {entries.map(([k, v]) => (
          <Json key={k} name={k} value={v} open={open - 1} />
        ))}
      </div>
    </details>
  );
}
