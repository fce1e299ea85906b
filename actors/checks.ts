/** What `defineActor` checks, so that a wrong definition stops the start and not a command at night. */
import { createHash } from 'node:crypto';
import type { AnyStateMachine, AnyStateNode } from 'xstate';
import type { ActorKind, Companion, Projection, Topic } from './define.ts';
import { definitionOf, MachineRunner, nameOf } from './machine.ts';
import { canonicalJson } from './patch.ts';
import { withScope } from './scope.ts';
import { durationMs } from './duration.ts';
import { hasNull, parsesUnchanged, recordDepth } from './schema-walk.ts';

/** Every fault found in one definition, each with the path to the offending node. */
export class DefinitionError extends Error {
  readonly faults: readonly string[];

  constructor(kind: string, faults: readonly string[]) {
    super(`the definition of kind '${kind}' has ${faults.length} fault(s):\n  ${faults.join('\n  ')}`);
    this.name = 'DefinitionError';
    this.faults = faults;
  }
}

const kernelActions = new Set(['reply', 'reject', 'tell', 'publish', 'row', 'job']);
const refusedBuiltins = new Set([
  'xstate.sendTo',
  'xstate.sendParent',
  'xstate.forwardTo',
  'xstate.log',
  'xstate.spawnChild',
  'xstate.emit',
]);
const commandName = /^[a-z][a-z0-9]*(\.[a-z][a-z0-9_]*)+$/;
const codeName = /^[A-Z][A-Z0-9_]*$/;
const isKernelEvent = (type: string): boolean => type.startsWith('xstate.') || type.startsWith('thrum.') || type === '';

type Fault = (path: string, text: string) => void;

function* nodesOf(node: AnyStateNode): Generator<AnyStateNode> {
  yield node;
  for (const child of Object.values(node.states)) yield* nodesOf(child);
}

function checkAction(machine: AnyStateMachine, action: unknown, path: string, fault: Fault): void {
  const type = nameOf(action);
  if (typeof action === 'function') {
    const builtin = 'type' in action ? String(action.type) : '';
    if (!builtin.startsWith('xstate.')) fault(path, `inline function action '${type}'; name it in setup() or use a kernel action`);
    else if (refusedBuiltins.has(builtin)) fault(path, `'${builtin}' is not available to durable machines; use tell, publish or an effect`);
    return;
  }
  if (kernelActions.has(type)) return;
  const implementation: unknown = machine.implementations.actions[type];
  if (implementation === undefined) fault(path, `the action '${type}' has no implementation`);
  else if (typeof implementation === 'function') checkAction(machine, implementation, `${path} → ${type}`, fault);
}

function checkInvoke(kind: Omit<ActorKind, 'hash'>, src: unknown, path: string, fault: Fault): void {
  if (typeof src !== 'string') {
    fault(path, 'inline actor logic; name a declared effect');
    return;
  }
  if (kind.effects?.[src] === undefined) fault(path, `the effect '${src}' is not declared in effects`);
}

/** Actions by path, with the literal params where they are no function. */
function* actionsOf(node: AnyStateNode): Generator<{ path: string; action: unknown; event?: string }> {
  for (const action of node.entry) yield { path: `${node.id} entry`, action };
  for (const action of node.exit) yield { path: `${node.id} exit`, action };
  for (const [event, transitions] of node.transitions) {
    for (const t of transitions) for (const action of t.actions) yield { path: `${node.id} on ${event}`, action, event };
  }
  for (const t of node.always ?? []) for (const action of t.actions) yield { path: `${node.id} always`, action };
}

function checkLiteral(kind: Omit<ActorKind, 'hash'>, action: unknown, path: string, event: string | undefined, fault: Fault): void {
  if (typeof action !== 'object' || action === null || !('params' in action)) return;
  const params = action.params;
  if (typeof params !== 'object' || params === null) return;
  const type = nameOf(action);
  if (type === 'row' && 'into' in params) {
    const table = kind.companions?.[String(params.into)];
    if (table === undefined) fault(path, `row into undeclared companion '${String(params.into)}'`);
    else if ('op' in params && !operations[table.mode].includes(String(params.op)))
      fault(path, `operation '${String(params.op)}' does not fit mode ${table.mode}`);
  }
  if (type === 'publish' && 'view' in params) {
    const topic = kind.topics?.find((t) => t.view === params.view);
    if (topic === undefined || topic.kind === 'state')
      fault(path, `publish to '${String(params.view)}', which is no log or signal topic of this kind`);
  }
  if (type === 'reject' && 'code' in params && event !== undefined) {
    const command = kind.commands[event];
    if (command !== undefined && !command.rejects.includes(String(params.code)))
      fault(path, `rejects with '${String(params.code)}', which '${event}' does not declare`);
  }
}

const operations: { readonly [mode in Companion['mode']]: readonly string[] } = {
  append: ['insert'],
  upsert: ['put', 'delete'],
  guarded: ['insert', 'update', 'delete'],
};

function checkCompanion(name: string, c: Companion, fault: Fault): void {
  const path = `companions.${name}`;
  const columns = new Set(Object.keys(c.columns));
  for (const column of [...c.key, ...c.frozen, ...c.add, ...c.pii])
    if (!columns.has(column) && column !== c.stamp.actor) fault(path, `column '${column}' is not declared`);
  for (const column of c.frozen)
    if (c.key.includes(column) || c.add.includes(column)) fault(path, `'${column}' is frozen and also key or add`);
  for (const column of c.add) if (c.key.includes(column)) fault(path, `'${column}' is add and key`);
  if (c.key.length === 0) fault(path, 'a key is needed');
  if (c.mode === 'upsert' && c.stamp.actor === undefined) fault(path, 'mode upsert needs the actor column');
  if (c.mode !== 'upsert' && c.add.length > 0) fault(path, 'only mode upsert adds');
  if (c.refuse !== undefined && !codeName.test(c.refuse.code)) fault(path, `the code '${c.refuse.code}' is not UPPER_SNAKE`);
}

function checkProjection(kind: Omit<ActorKind, 'hash'>, name: string, p: Projection, fault: Fault): void {
  const path = `projections.${name}`;
  if (name in (kind.companions ?? {})) fault(path, 'there is a companion of this name');
  if (!/^[a-z][A-Za-z0-9]{0,39}$/.test(name)) fault(path, 'the name is 1 to 40 letters and digits');
  if ('actor_id' in p.columns) fault(path, 'actor_id is filled by the kernel');
  if (!Number.isInteger(p.version) || p.version < 1) fault(path, 'the version is an integer from 1');
}

function checkTopic(kind: string, t: Topic, fault: Fault): void {
  const path = `topics.${t.view}`;
  if (t.subject !== kind) fault(path, `the subject is '${t.subject}'`);
  if (!/^[a-z0-9-]{1,40}$/.test(t.view)) fault(path, 'the view is 1 to 40 of a-z 0-9 -');
  if (t.kind === 'state' && (t.maxBytes ?? 0) > 262_144) fault(path, 'maxBytes is at most 262,144');
  if (t.kind === 'state' && hasNull(t.schema)) fault(path, 'a view holds no null: an absent key says it, and merge patches delete by null');
}

function checkInitial(kind: Omit<ActorKind, 'hash'>, fault: Fault): void {
  const stamp = { at: 0, seq: 1, from: { kind: 'system', id: 'check', roles: [] } } as const;
  const scope = { ref: `${kind.kind}:check`, actorId: '0'.repeat(32), stamp, logs: {} };
  try {
    const { snapshot } = withScope(scope, () => new MachineRunner(kind.machine).initial({ id: 'check' }));
    const problem = parsesUnchanged(kind.context, snapshot.context);
    if (problem !== undefined) fault('initial context', problem);
  } catch (error) {
    // A machine whose birth needs createInput cannot be started from the id alone; its first command will show.
    if (kind.createInput === undefined) fault('initial state', error instanceof Error ? error.message : String(error));
  }
}

/** Numbers of events that were lost are given again: nothing may be known elsewhere by them. */
function checkRelaxed({ machine, effects, topics }: Omit<ActorKind, 'hash'>, fault: Fault): void {
  const without = 'a kind with relaxed durability has none';
  for (const name of Object.keys(effects ?? {})) fault(`effects.${name}`, without);
  for (const t of topics ?? []) if (t.kind === 'log') fault(`topics.${t.view}`, `a log topic; ${without}`);
  for (const node of nodesOf(machine.root))
    for (const { path, action } of actionsOf(node))
      if (OUTGOING.has(nameOf(action))) fault(path, `the action '${nameOf(action)}'; ${without}`);
}

/** Actions by which an event is known to others under its number. */
const OUTGOING: ReadonlySet<string> = new Set(['tell', 'job']);

const DAY_MS = 86_400_000;

/** Keys of commands are remembered for a day. */
function checkLifetime({ retention = 'forever', doneTtl, machine }: Omit<ActorKind, 'hash'>, fault: Fault): void {
  const spans = {
    ...(retention === 'forever' ? {} : { 'retention.journal': retention.journal }),
    ...(doneTtl === undefined ? {} : { doneTtl }),
  };
  for (const [path, text] of Object.entries(spans)) {
    const ms = durationMs(text);
    if (ms === undefined) fault(path, `'${text}' is no span such as '36h' or '30d'`);
    else if (ms < DAY_MS) fault(path, `'${text}' is less than 24 h`);
  }
  const final = Object.values(machine.root.states).some((node) => node.type === 'final');
  if (doneTtl !== undefined && !final) fault('doneTtl', 'the machine has no final state');
}

/**
 * Checks one kind (kernel specification 4.3) and gives its definition hash.
 *
 * @throws DefinitionError with the whole list
 */
export function checkKind(kind: Omit<ActorKind, 'hash'>): string {
  const faults: string[] = [];
  const fault: Fault = (path, text) => faults.push(`${path}: ${text}`);
  const { machine } = kind;
  if (!/^[a-z]{1,20}$/.test(kind.kind)) fault('kind', '1 to 20 lower-case letters');
  if (!Number.isInteger(kind.version) || kind.version < 1) fault('version', 'an integer from 1');
  // XState's own default is unlimited; an endless loop of eventless transitions would stop the process.
  if (!Number.isFinite(machine.options.maxIterations)) machine.options = { ...machine.options, maxIterations: 1_000 };

  const events = new Set<string>();
  try {
    for (const node of nodesOf(machine.root)) {
      for (const [event, transitions] of node.transitions) {
        events.add(event);
        if (event === '*' || event.endsWith('.*')) fault(`${node.id} on ${event}`, "wildcards could consume the kernel's own events");
        for (const t of transitions) void t.target;
      }
      for (const invoke of node.invoke) checkInvoke(kind, invoke.src, `${node.id} invoke`, fault);
      for (const { path, action, event } of actionsOf(node)) {
        checkAction(machine, action, path, fault);
        checkLiteral(kind, action, path, event, fault);
      }
    }
  } catch (error) {
    fault('transitions', error instanceof Error ? error.message : String(error));
  }
  for (const [type, c] of Object.entries(kind.commands)) {
    if (!commandName.test(type) || isKernelEvent(type)) fault(`commands.${type}`, 'the form is module.verb');
    if (!events.has(type)) fault(`commands.${type}`, 'no transition handles it');
    for (const code of c.rejects) if (!codeName.test(code)) fault(`commands.${type}`, `the code '${code}' is not UPPER_SNAKE`);
  }
  for (const type of kind.create ?? []) if (kind.commands[type] === undefined) fault('create', `'${type}' is no command`);
  for (const [key, depth] of Object.entries(kind.maps ?? {})) {
    if (typeof depth === 'number' && recordDepth(kind.context, key) < depth)
      fault(`maps.${key}`, `the schema is no record of depth ${depth}`);
  }
  for (const [name, c] of Object.entries(kind.companions ?? {})) checkCompanion(name, c, fault);
  for (const [name, p] of Object.entries(kind.projections ?? {})) checkProjection(kind, name, p, fault);
  const views = new Set<string>();
  for (const t of kind.topics ?? []) {
    if (views.has(t.view)) fault(`topics.${t.view}`, 'declared twice');
    views.add(t.view);
    checkTopic(kind.kind, t, fault);
  }
  for (const name of ['stateBytes', 'eventBytes'] as const) {
    if (kind.limits[name] > 1_048_576) fault(`limits.${name}`, 'at most 1,048,576');
  }
  checkLifetime(kind, fault);
  if (kind.durability === 'relaxed') checkRelaxed(kind, fault);
  if (faults.length === 0) checkInitial(kind, fault);
  if (faults.length > 0) throw new DefinitionError(kind.kind, faults);
  return definitionHash(machine);
}

/** SHA-256 of the machine's definition as JSON with sorted keys; functions stand by their names, so what they do is not in it. */
export const definitionHash = (machine: AnyStateMachine): string =>
  createHash('sha256')
    .update(canonicalJson(definitionOf(machine.root)))
    .digest('hex');
