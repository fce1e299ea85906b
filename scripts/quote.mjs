/** Puts the present text of the quoted files into the documentation: the blocks below `<!-- file: path -->`. */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const QUOTED = /(<!-- file: (\S+) -->\n```ts\n)[\s\S]*?```/g;

for (const entry of readdirSync('docs', { recursive: true, withFileTypes: true })) {
  if (!entry.name.endsWith('.md')) continue;
  const path = join(entry.parentPath, entry.name);
  const text = readFileSync(path, 'utf8');
  const quoted = text.replace(QUOTED, (_, head, file) => `${head}${readFileSync(file, 'utf8')}\`\`\``);
  if (quoted !== text) writeFileSync(path, quoted);
}
