/**
 * The places where the kernel waits, found in its compiled text: wherever it waits it may die (kernel specification 16.2.7). A copy of the
 * kernel asks at each of them whether it does, so a new `await` is a new crash point without anybody having to enter it in a list.
 */

/** One `await`. `name` is its file and its text, with a number behind it when the file holds it several times. */
export interface Await {
  readonly name: string;
  readonly from: number;
  /** the expression that is awaited */
  readonly start: number;
  readonly end: number;
}

const CLOSE: { readonly [open: string]: string } = { '(': ')', '[': ']', '{': '}' };

/** The position after the string that begins at `at`; templates may hold expressions. */
function afterString(text: string, at: number): number {
  const quote = text[at];
  let i = at + 1;
  while (i < text.length && text[i] !== quote) {
    if (text[i] === '\\') i += 2;
    else if (quote === '`' && text.startsWith('${', i)) i = afterBracket(text, i + 1);
    else i += 1;
  }
  return i + 1;
}

function afterBracket(text: string, at: number): number {
  const close = CLOSE[text[at] as string];
  let i = at + 1;
  while (i < text.length && text[i] !== close) {
    const c = text[i] as string;
    if (c === "'" || c === '"' || c === '`') i = afterString(text, i);
    else if (text.startsWith('//', i)) i = text.indexOf('\n', i);
    else i = c in CLOSE ? afterBracket(text, i) : i + 1;
  }
  return i + 1;
}

/** Where the operand of an `await` ends: a name, what is taken of it, and calls. */
function operandEnd(text: string, start: number): number {
  let i = text.startsWith('new ', start) ? start + 4 : start;
  while (i < text.length) {
    const c = text[i] as string;
    if (c === '(' || c === '[') i = afterBracket(text, i);
    else if (/[\w$#.]/.test(c) || text.startsWith('?.', i)) i += c === '?' ? 2 : 1;
    else if (/^\s+\.\w/.test(text.slice(i, i + 80))) i = text.indexOf('.', i);
    else break;
  }
  return i;
}

/** Every await of a compiled file, in order. */
export function awaitsOf(file: string, text: string): Await[] {
  const seen = new Map<string, number>();
  const found: Await[] = [];
  for (const match of text.matchAll(/(?<!\bfor )\bawait\s+/g)) {
    const line = text.slice(text.lastIndexOf('\n', match.index) + 1, match.index);
    if (/^\s*(\*|\/\/|\/\*)/.test(line) || line.includes(' //')) continue;
    const start = match.index + match[0].length;
    const end = operandEnd(text, start);
    const words = text.slice(start, end).replaceAll(/\s+/g, ' ');
    const n = (seen.get(words) ?? 0) + 1;
    seen.set(words, n);
    const short = words.length > 80 ? `${words.slice(0, 77)}...` : words;
    found.push({ name: `${file}: await ${short}${n > 1 ? ` (${n})` : ''}`, from: match.index, start, end });
  }
  return found;
}

/** The text with a question at each await: `await thrumAwait(name, operand)`. */
export function withQuestions(file: string, text: string): string {
  let changed = text;
  // from the last to the first, for an operand may hold awaits of its own
  for (const { name, start } of awaitsOf(file, text).toReversed()) {
    const end = operandEnd(changed, start);
    changed = `${changed.slice(0, start)}globalThis.thrumAwait(${JSON.stringify(name)}, ${changed.slice(start, end)})${changed.slice(end)}`;
  }
  return `globalThis.thrumAwait ??= (_name, value) => value;\n${changed}`;
}
