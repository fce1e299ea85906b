import { enqueueActions, setup } from 'xstate';
import { find } from '../../calc/booking/days.ts';
import { DAY, MINUTE } from '../../calc/time/civil.ts';
import { shortId } from '../../calc/uuid.ts';
import { kernel } from '../../actors/define.ts';
import { now } from '../../actors/scope.ts';
import type { AlertFact } from '../anomaly/schema.ts';
import { checkHold, claimsBetween, countClaims, MAX_CLAIMS, type HoldRequest, type ResourceContext } from './resource.state.ts';
import * as steps from './resource.steps.ts';
import type { ResourceConfig, ResourcePatch } from './schema.ts';
import { perform, reject } from './step.ts';

export type ResourceEvent =
  | { type: 'resource.create'; no: number; config: ResourceConfig }
  | { type: 'resource.configure'; patch: ResourcePatch; expectedRev?: number }
  | { type: 'resource.suspend'; reason?: string }
  | { type: 'resource.resume'; reason?: string }
  | { type: 'resource.retire'; reason?: string; force?: boolean }
  | { type: 'resource.block'; blockId: string; start: number; end: number; reason?: string; force?: boolean }
  | { type: 'resource.unblock'; blockId: string }
  | ({ type: 'claim.hold' } & HoldRequest)
  | { type: 'claim.confirm'; claimId: string }
  | { type: 'claim.release'; claimId: string; reason?: string }
  | { type: 'claim.swap'; newClaimId: string; oldClaimId: string }
  | { type: 'claim.answer'; claimId: string; answer: 'pending' | 'confirmed' | 'aborted' }
  | { type: 'thrum.undelivered'; to: string; command: string; code: string }
  | { type: 'day.ended' }
  | { type: 'backstop.due' }
  | AlertFact;

type EventOf<T extends ResourceEvent['type']> = Extract<ResourceEvent, { type: T }>;
/** The event as the transition that names the guard or action receives it. */
const as = <T extends ResourceEvent['type']>(event: ResourceEvent, _type: T): EventOf<T> => event as EventOf<T>;

/** Before `resource.create` says better. */
const UNSET: ResourceConfig = {
  name: 'unset',
  kind: 'generic',
  timeZone: 'UTC',
  capacity: 1,
  capacityMode: 'units',
  allocation: 'best_fit',
  openingRules: [],
  exceptions: [],
  minNoticeMin: 0,
  horizonDays: 365,
  slotStepMin: 15,
  slotAnchor: 'opening',
  enforceGrid: false,
  tags: [],
};

const MAX_BLOCK_MS = 400 * DAY;

/**
 * A bookable resource: the single writer of its claims. Invariants R1 to R8 in SPEC.md.
 *
 * Refusals of `claim.hold` are rejects: nothing is journaled, and the coordinator hears of them by `thrum.undelivered`.
 */
export const resourceMachine = setup({
  types: { context: {} as ResourceContext, events: {} as ResourceEvent, input: {} as { id: string } },
  guards: {
    /** the same hold again, granted earlier */
    isGranted: ({ context, event }) => find(context.days, as(event, 'claim.hold').claimId) !== undefined,
    /** its release overtook it */
    isReleased: ({ context, event }) => context.gone[as(event, 'claim.hold').claimId] !== undefined,
    isFull: ({ context }) => countClaims(context.days) >= MAX_CLAIMS,
    isFree: ({ context, event }) => checkHold(context, as(event, 'claim.hold'), now()).available,
    isClaim: ({ context, event }) => find(context.days, as(event, 'claim.confirm').claimId) !== undefined,
    canSwap: ({ context, event }) => {
      const { newClaimId, oldClaimId } = as(event, 'claim.swap');
      const [fresh, old] = [find(context.days, newClaimId), find(context.days, oldClaimId)];
      return fresh?.state === 'h' && old !== undefined && old.bookingId === fresh.bookingId;
    },
    hasSwapped: ({ context, event }) => {
      const { newClaimId, oldClaimId } = as(event, 'claim.swap');
      return find(context.days, newClaimId)?.state === 'c' && find(context.days, oldClaimId) === undefined;
    },
    revDiffers: ({ context, event }) => (as(event, 'resource.configure').expectedRev ?? context.rev) !== context.rev,
    isInUse: ({ context, event }) =>
      as(event, 'resource.retire').force !== true && claimsBetween(context.days, now(), now() + 1_200 * DAY).length > 0,
    isOccupied: ({ context, event }) => {
      const { start, end, force } = as(event, 'resource.block');
      return force !== true && end - start <= MAX_BLOCK_MS && claimsBetween(context.days, start, end).length > 0;
    },
    isSpan: ({ context, event }) => {
      const { start, end } = as(event, 'resource.block');
      const whole = start % MINUTE === 0 && end % MINUTE === 0;
      return whole && start < end && end - start <= MAX_BLOCK_MS && countClaims(context.days) < MAX_CLAIMS;
    },
    isBlock: ({ context, event }) => {
      const { blockId } = as(event, 'resource.unblock');
      return blockId !== undefined && find(context.days, shortId(blockId))?.state === 'b';
    },
    hasNoCoordinator: ({ event }) => as(event, 'thrum.undelivered').command === 'claim.inquire',
    saysAborted: ({ event }) => as(event, 'claim.answer').answer === 'aborted',
    saysConfirmed: ({ event }) => as(event, 'claim.answer').answer === 'confirmed',
  },
  actions: {
    ...kernel.actions,
    create: enqueueActions(({ context, event, enqueue }) => perform(enqueue, steps.create(context, as(event, 'resource.create')))),
    configure: enqueueActions(({ context, event, enqueue }) => perform(enqueue, steps.configure(context, as(event, 'resource.configure')))),
    suspend: enqueueActions(({ context, enqueue }) => perform(enqueue, steps.become(context, 'suspended'))),
    resume: enqueueActions(({ context, enqueue }) => perform(enqueue, steps.become(context, 'active'))),
    retire: enqueueActions(({ context, enqueue }) => perform(enqueue, steps.become(context, 'retired'))),
    grant: enqueueActions(({ context, event, enqueue }) => perform(enqueue, steps.grant(context, as(event, 'claim.hold')))),
    grantAgain: enqueueActions(({ context, event, enqueue }) =>
      perform(enqueue, steps.answerHeld(context, as(event, 'claim.hold').claimId)),
    ),
    refuseHold: enqueueActions(({ context, event, enqueue }) => perform(enqueue, steps.refuseHold(context, as(event, 'claim.hold')))),
    refuseReleased: enqueueActions(({ event, enqueue }) =>
      perform(enqueue, { out: [reject('SLOT_UNAVAILABLE', { claimId: as(event, 'claim.hold').claimId, reason: 'released' })] }),
    ),
    refuseFull: enqueueActions(({ event, enqueue }) =>
      perform(enqueue, { out: [reject('RESOURCE_CLAIM_LIMIT', { claimId: as(event, 'claim.hold').claimId })] }),
    ),
    refuseSuspended: enqueueActions(({ event, enqueue }) =>
      perform(enqueue, { out: [steps.refusal(as(event, 'claim.hold').claimId, { reason: 'resource_suspended' })] }),
    ),
    refuseRetired: enqueueActions(({ event, enqueue }) =>
      perform(enqueue, { out: [steps.refusal(as(event, 'claim.hold').claimId, { reason: 'resource_retired' })] }),
    ),
    confirmAndAnswer: enqueueActions(({ context, event, enqueue }) =>
      perform(enqueue, steps.confirmAndAnswer(context, as(event, 'claim.confirm'))),
    ),
    releaseAndAnswer: enqueueActions(({ context, event, enqueue }) =>
      perform(enqueue, steps.releaseAndAnswer(context, as(event, 'claim.release'))),
    ),
    swap: enqueueActions(({ context, event, enqueue }) => perform(enqueue, steps.swap(context, as(event, 'claim.swap')))),
    answerSwapped: enqueueActions(({ event, enqueue }) =>
      perform(enqueue, { out: steps.answer('claim.swapped', { claimId: as(event, 'claim.swap').newClaimId }) }),
    ),
    answerLost: enqueueActions(({ event, enqueue }) =>
      perform(enqueue, {
        out: steps.answer('claim.lost', {
          claimId: event.type === 'claim.swap' ? event.newClaimId : as(event, 'claim.confirm').claimId,
        }),
      }),
    ),
    confirm: enqueueActions(({ context, event, enqueue }) => perform(enqueue, steps.confirm(context, as(event, 'claim.answer').claimId))),
    release: enqueueActions(({ context, event, enqueue }) => perform(enqueue, steps.release(context, as(event, 'claim.answer').claimId))),
    block: enqueueActions(({ context, event, enqueue }) => perform(enqueue, steps.block(context, as(event, 'resource.block')))),
    refuseBlock: enqueueActions(({ context, event, enqueue }) => perform(enqueue, steps.refuseBlock(context, as(event, 'resource.block')))),
    unblock: enqueueActions(({ context, event, enqueue }) => perform(enqueue, steps.unblock(context, as(event, 'resource.unblock')))),
    inquire: enqueueActions(({ context, enqueue }) => perform(enqueue, steps.inquire(context))),
    releaseOrphans: enqueueActions(({ context, event, enqueue }) =>
      perform(enqueue, steps.releaseOrphans(context, as(event, 'thrum.undelivered'))),
    ),
    closeDays: enqueueActions(({ context, enqueue }) => perform(enqueue, steps.closeDays(context))),
  },
}).createMachine({
  id: 'resource',
  initial: 'new',
  context: ({ input }) => ({ id: input.id, no: 0, config: UNSET, rev: 0, days: {}, holds: {}, gone: {}, openDay: 0, createdAt: 0 }),
  on: {
    'claim.confirm': [{ guard: 'isClaim', actions: 'confirmAndAnswer' }, { actions: 'answerLost' }],
    'claim.swap': [{ guard: 'canSwap', actions: 'swap' }, { guard: 'hasSwapped', actions: 'answerSwapped' }, { actions: 'answerLost' }],
    'claim.release': { actions: 'releaseAndAnswer' },
    'claim.answer': [{ guard: 'saysAborted', actions: 'release' }, { guard: 'saysConfirmed', actions: 'confirm' }, {}],
    'backstop.due': { actions: 'inquire' },
    'thrum.undelivered': { guard: 'hasNoCoordinator', actions: 'releaseOrphans' },
    'day.ended': { actions: 'closeDays' },
    'resource.create': { actions: { type: 'reject', params: { code: 'RESOURCE_EXISTS' } } },
    'resource.unblock': [{ guard: 'isBlock', actions: 'unblock' }, { actions: { type: 'reject', params: { code: 'NOT_FOUND' } } }],
    'alert.opened': { actions: { type: 'publish', params: ({ event }) => ({ view: 'anomalies', item: event.item }) } },
    'alert.updated': { actions: { type: 'publish', params: ({ event }) => ({ view: 'anomalies', item: event.item }) } },
    'alert.closed': { actions: { type: 'publish', params: ({ event }) => ({ view: 'anomalies', item: event.item }) } },
  },
  states: {
    new: { on: { 'resource.create': { target: 'active', actions: 'create' } } },
    active: {
      on: {
        'claim.hold': [
          { guard: 'isGranted', actions: 'grantAgain' },
          { guard: 'isReleased', actions: 'refuseReleased' },
          { guard: 'isFull', actions: 'refuseFull' },
          { guard: 'isFree', actions: 'grant' },
          { actions: 'refuseHold' },
        ],
        'resource.configure': [
          {
            guard: 'revDiffers',
            actions: { type: 'reject', params: ({ context }) => ({ code: 'SEQ_MISMATCH', details: { rev: context.rev } }) },
          },
          { actions: 'configure' },
        ],
        'resource.suspend': { target: 'suspended', actions: 'suspend' },
        'resource.retire': [
          { guard: 'isInUse', actions: { type: 'reject', params: { code: 'RESOURCE_IN_USE' } } },
          { target: 'retired', actions: 'retire' },
        ],
        'resource.block': [
          { guard: 'isOccupied', actions: 'refuseBlock' },
          { guard: 'isSpan', actions: 'block' },
          { actions: { type: 'reject', params: { code: 'INVALID_DURATION' } } },
        ],
      },
    },
    suspended: {
      on: {
        'claim.hold': [{ guard: 'isGranted', actions: 'grantAgain' }, { actions: 'refuseSuspended' }],
        'resource.resume': { target: 'active', actions: 'resume' },
        'resource.retire': [
          { guard: 'isInUse', actions: { type: 'reject', params: { code: 'RESOURCE_IN_USE' } } },
          { target: 'retired', actions: 'retire' },
        ],
      },
    },
    retired: {
      meta: { resting: 'a resource that is retired never comes back' },
      on: { 'claim.hold': [{ guard: 'isGranted', actions: 'grantAgain' }, { actions: 'refuseRetired' }] },
    },
  },
});
