import { main } from './soak.ts';

process.exitCode = await main();
