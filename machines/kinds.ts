/** Every actor kind of the product; `server/app.ts` gives them to the kernel. Sorted by name. */
import type { ActorKind } from '../actors/define.ts';
import { anomaly } from './anomaly/kind.ts';
import { device } from './biosync/kind.ts';
import { booking, resource } from './booking/kind.ts';
import { breaker } from './breaker/kind.ts';
import { user } from './user/kind.ts';

export const kinds: readonly ActorKind[] = [anomaly, booking, breaker, device, resource, user];
