import type { ActorKind } from './define.ts';

export function checkKind(_kind: Omit<ActorKind, 'hash'>): string {
  return '';
}
