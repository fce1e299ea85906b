/** Runs the whole test suite and ends with `N passed, N failed, N skipped`. */
import { spawnSync } from 'node:child_process';

const { status } = spawnSync('node_modules/.bin/ava', process.argv.slice(2), { stdio: 'inherit' });
process.exit(status ?? 1);
