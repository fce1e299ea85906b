import { z } from 'zod';

export const LockerContext = z.strictObject({ parcel: z.string(), holder: z.string(), opened: z.number() });
export type LockerContext = z.output<typeof LockerContext>;

export const Reserve = z.strictObject({ parcel: z.string().min(1).max(40) });

export type LockerEvent = ({ type: 'locker.reserve' } & z.output<typeof Reserve>) | { type: 'locker.fill' } | { type: 'locker.empty' };

export const LockerStatus = z.strictObject({ free: z.boolean(), opened: z.number(), parcel: z.string().optional() });
export const LockerVisit = z.strictObject({ at: z.number(), what: z.enum(['filled', 'emptied']) });
