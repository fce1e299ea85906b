/** Child process of the short soak, started with `--expose-gc`. */
import { nullStore } from './null-store.ts';
import { soak } from './soak.ts';

process.send?.(await soak(nullStore(), Number(process.argv[2]), Number(process.argv[3]), () => undefined));
process.disconnect();
