/**
 * Mutation checks (kernel specification 16.2.6): deliberate faults in the kernel, each with the tests that must notice it. A fault is a
 * replacement in the compiled output that must match exactly once, so that a change of the kernel cannot turn a check into nothing.
 */

/** Who must notice: so many seeds of the simulation, or at least one test of these suites below `dist/test/`. */
export type Finder = { readonly seeds: number; readonly nodes?: number } | { readonly suites: readonly string[] };

export interface Mutant {
  readonly name: string;
  /** below `dist/` */
  readonly file: string;
  readonly edits: readonly (readonly [text: string, instead: string])[];
  readonly found: Finder;
}

const simulation: Finder = { seeds: 300 };
const cluster: Finder = { seeds: 150, nodes: 3 };
const kernel: Finder = { suites: ['kernel/commands.test.js', 'kernel/commits.test.js', 'kernel/outbox.test.js', 'kernel/topics.test.js'] };
const pruning: Finder = { suites: ['contract/retention.test.js'] };
const store: Finder = { suites: ['contract/store.test.js'] };

export const mutants: readonly Mutant[] = [
  {
    name: 'a command is answered before its commit',
    file: 'actors/activation.js',
    edits: [['this.spec.accept(unit);', 'this.spec.accept(unit); answer(e, reply);']],
    found: simulation,
  },
  {
    name: 'a read or a refusal leaves before the state that it was computed from is committed',
    file: 'actors/activation.js',
    edits: [['last.waiters.push({ envelope: e, reply });', 'answer(e, reply);']],
    found: simulation,
  },
  {
    name: 'two statements of an actor are under way',
    file: 'actors/committer.js',
    edits: [['if (this.#busy || this.#stopped || this.#open.empty)', 'if (this.#stopped || this.#open.empty)']],
    found: simulation,
  },
  {
    name: 'a conflict is taken for an own attempt without comparing the commit id',
    file: 'actors/committer.js',
    edits: [['if (stored === cid) {', 'if (stored !== undefined) {']],
    found: cluster,
  },
  {
    name: 'a result is applied without asking which call it belongs to',
    file: 'actors/internal.js',
    edits: [['if (base.state.calls[invoke] !== id.seq) {', 'if (false) {']],
    found: simulation,
  },
  {
    name: 'a new process reads messages and timers while statements of the former one may still land',
    file: 'actors/node.js',
    edits: [['const ended = await this.store.fence();', 'const ended = 0;']],
    found: simulation,
  },
  {
    name: 'the rows of a batch are not reduced',
    file: 'actors/companion.js',
    edits: [
      [
        'const key = keyText(declared, journal.actorId, change.row);',
        'const key = `${keyText(declared, journal.actorId, change.row)} ${journal.seq} ${change.n}`;',
      ],
    ],
    found: simulation,
  },
  {
    name: 'a slice shows the current view instead of the published one',
    file: 'actors/topics.js',
    edits: [
      [
        'return this.#sliceState(this.#hotState(a, topic, name, t, query), cursor);',
        'return this.#sliceState({ ...this.#hotState(a, topic, name, t, query), view: this.#project(a, topic, query, a.committed) }, cursor);',
      ],
    ],
    found: simulation,
  },
  {
    name: 'messages carry no key',
    file: 'actors/envelope.js',
    edits: [['idem: derivedIdem(key),', 'idem: null,']],
    found: simulation,
  },
  {
    name: 'a rollback does not evict',
    file: 'actors/activation.js',
    edits: [
      ['this.#k.topics.evicted(this);\n        this.#load();', 'this.#k.schedule(this);'],
      ['this.spec.forget();', ''],
    ],
    found: simulation,
  },
  {
    name: 'a split separates a group',
    file: 'actors/components.js',
    edits: [['if (group === undefined)', 'if (true)']],
    found: simulation,
  },
  {
    name: 'the cut of a batch separates a group',
    file: 'actors/batch.js',
    edits: [['if (group !== undefined)', 'if (false)']],
    found: simulation,
  },
  {
    name: 'a fused message runs again by itself beside the event that sends it anew',
    file: 'actors/activation.js',
    edits: [['verdict === undefined ? !fused(unit.envelope) :', 'verdict === undefined ? true :']],
    found: simulation,
  },
  {
    name: 'a fused message has an outbox row too, and is sent',
    file: 'actors/fusion.js',
    edits: [['tell.fused = true;', '']],
    found: simulation,
  },
  {
    name: 'a message overtakes an earlier one of its pair by being fused',
    file: 'actors/fusion.js',
    edits: [['if (this.#waiting.get(pair)?.[0] !== tell || this.#k.outbox.busy(pair))', 'if (false)']],
    found: simulation,
  },
  {
    name: 'an actor keeps the events of a group that another one has lost',
    file: 'actors/batch.js',
    edits: [['lost.has(owner) || cut.has(owner)', 'lost.has(owner)']],
    found: simulation,
  },
  {
    name: 'an actor that lost a group does not read its state anew',
    file: 'actors/activation.js',
    edits: [["else\n            this.#status = 'ending';", 'else\n            this.scheduled = false;']],
    found: simulation,
  },
  {
    name: 'a command is answered before its commit (suites)',
    file: 'actors/activation.js',
    edits: [
      [
        'this.#k.lanes.of(this.at.slot, this.rt.relaxed).submit(unit);',
        'this.#k.lanes.of(this.at.slot, this.rt.relaxed).submit(unit); answer(e, reply);',
      ],
    ],
    found: kernel,
  },
  {
    name: 'a refusal leaves before the state that it was computed from is committed (suites)',
    file: 'actors/activation.js',
    edits: [['last.waiters.push({ envelope: e, reply });', 'answer(e, reply);']],
    found: kernel,
  },
  {
    name: 'two statements of an actor are under way (suites)',
    file: 'actors/committer.js',
    edits: [['if (this.#busy || this.#stopped || this.#open.empty)', 'if (this.#stopped || this.#open.empty)']],
    found: kernel,
  },
  {
    name: 'a conflict is taken for an own attempt without comparing the commit id (suites)',
    file: 'actors/committer.js',
    edits: [['if (stored === cid) {', 'if (stored !== undefined) {']],
    found: kernel,
  },
  {
    name: 'a result is applied without asking which call it belongs to (suites)',
    file: 'actors/internal.js',
    edits: [['if (base.state.calls[invoke] !== id.seq)', 'if (base.state.calls[invoke] === undefined)']],
    found: kernel,
  },
  {
    name: 'the rows of a batch are not reduced (suites)',
    file: 'actors/companion.js',
    edits: [
      [
        'const key = keyText(declared, journal.actorId, change.row);',
        'const key = `${keyText(declared, journal.actorId, change.row)} ${journal.seq} ${change.n}`;',
      ],
    ],
    found: { suites: ['actors/plan.test.js'] },
  },
  {
    name: 'a split separates a group (suites)',
    file: 'actors/components.js',
    edits: [['if (group === undefined)', 'if (true)']],
    found: { suites: ['kernel/fusion.test.js'] },
  },
  {
    name: 'a fused message runs again by itself beside the event that sends it anew (suites)',
    file: 'actors/activation.js',
    edits: [['verdict === undefined ? !fused(unit.envelope) :', 'verdict === undefined ? true :']],
    found: { suites: ['kernel/fusion.test.js'] },
  },
  {
    name: 'a journal row that stands already is passed over in silence',
    file: 'actors/statement.js',
    edits: [['    from jsonb_array_elements($1::jsonb) r`;', '    from jsonb_array_elements($1::jsonb) r on conflict do nothing`;']],
    found: store,
  },
  {
    name: 'the takes of a companion table do not wait for the journal',
    file: 'actors/statement.js',
    edits: [["let released = after('j');", "let released = '';"]],
    found: store,
  },
  {
    name: 'the takes of a companion table do not wait for its updates',
    file: 'actors/statement.js',
    edits: [['released += after(cu);', '']],
    found: store,
  },
  {
    name: 'the takes of a companion table do not wait for its deletions',
    file: 'actors/statement.js',
    edits: [['released += after(cd);', '']],
    found: store,
  },
  {
    name: 'a message that was refused may still be accepted from another node',
    file: 'actors/outbox.js',
    edits: [['this.#k.store.refuse(receiver, refused)', 'this.#k.store.byIdem(receiver, idem)']],
    found: { suites: ['kernel/cluster.test.js'] },
  },
  {
    name: 'each node that roams takes what others have left, whoever has taken it already',
    file: 'actors/outbox.js',
    edits: [['store.takeOutbox(now - ORPHAN_MS, now + AHEAD_MS, PAGE)', 'store.outboxDue(now - ORPHAN_MS, PAGE)']],
    found: { suites: ['kernel/orphans.test.js'] },
  },
  {
    name: 'what a node is busy with for long looks as if it were left behind',
    file: 'actors/outbox.js',
    edits: [['await this.#effects.keep();', '']],
    found: { suites: ['kernel/orphans.test.js'] },
  },
  {
    name: 'effects of a node that roams are not kept from the owner of the slot',
    file: 'actors/rows.js',
    edits: [['outboxRows(s, slot, aheadOf(a.placement))', 'outboxRows(s, slot)']],
    found: { suites: ['kernel/orphans.test.js'] },
  },
  {
    name: 'a node that roams begins the effects of every actor that it reads',
    file: 'actors/outbox.js',
    edits: [["row.op === 'effect' && elsewhere(row)", 'false']],
    found: { suites: ['kernel/orphans.test.js'] },
  },
  {
    name: 'a node goes on with what it knew of an actor when the slot comes back',
    file: 'actors/residents.js',
    edits: [['if (a.uncommitted > 0)', 'if (a.uncommitted >= 0)']],
    found: { suites: ['kernel/nodes.test.js'] },
  },
  {
    name: 'an actor whose place is taken while it is read goes on all the same',
    file: 'actors/activation.js',
    edits: [['if (this.#k.active(this.at.ref) !== this)', 'if (false)']],
    found: { suites: ['kernel/found-under-way.test.js'] },
  },
  {
    name: 'nobody looks for what strangers have written',
    file: 'actors/strangers.js',
    edits: [['await this.#look();', '']],
    found: { suites: ['kernel/strangers.test.js'] },
  },
  {
    name: 'a lease that has run out is believed',
    file: 'actors/placement.js',
    edits: [['else if (this.#k.clock.mono() < this.#believedUntil)', 'else if (true)']],
    found: { suites: ['kernel/nodes.test.js'] },
  },
  {
    name: 'retention removes more than what is below the cut',
    file: 'actors/store/mem-lifecycle.js',
    edits: [['r.seq < below &&', 'r.seq < below + 2 &&']],
    found: simulation,
  },
  {
    name: 'retention begins a history at the newest snapshot',
    file: 'actors/store/mem-lifecycle.js',
    edits: [['? snapshots[1] : undefined', '? snapshots[0] : undefined']],
    found: simulation,
  },
  {
    name: 'the snapshot with which a history begins is dropped like any other',
    file: 'actors/store/mem.js',
    edits: [['i < 2 || s.base ||', 'i < 2 ||']],
    found: simulation,
  },
  {
    name: 'retention asks nobody how old an event is',
    file: 'actors/retention.js',
    edits: [['before: now - kept,', 'before: now + 864e5,']],
    found: simulation,
  },
  {
    name: 'the database removes more than what is below the cut',
    file: 'actors/store/pg-lifecycle.js',
    edits: [['and seq > 0 and seq < c.seq', 'and seq > 0 and seq <= c.seq']],
    found: pruning,
  },
  {
    name: 'the database does not mark where a history begins',
    file: 'actors/store/pg-lifecycle.js',
    edits: [['set base = true from cut', 'set base = false from cut']],
    found: pruning,
  },
  {
    name: 'a relaxed lane of the database does not look at the history',
    file: 'actors/statement.js',
    edits: [['const follows = batch.follows !== undefined && batch.follows.length > 0;', 'const follows = false;']],
    found: { suites: ['contract/relaxed.test.js'] },
  },
  {
    name: 'a relaxed batch does not say what it follows',
    file: 'actors/committer.js',
    edits: [['this.#o.relaxed ? { ...rows, follows: followedBy(units) } : rows', 'rows']],
    found: { suites: ['kernel/relaxed.test.js'] },
  },
  {
    name: 'what a sweep has found of a commit in doubt is sent again',
    file: 'actors/outbox.js',
    edits: [['tell.fused !== true && !this.#takenUp(effectKey(tell.id))', 'tell.fused !== true']],
    found: { suites: ['kernel/outbox.test.js'] },
  },
  {
    name: 'cursors of an actor that lost events are believed',
    file: 'actors/topics.js',
    edits: [['a.rt.relaxed ? String(this.#k.random()) : this.#dataId', 'this.#dataId']],
    found: { suites: ['kernel/relaxed.test.js'] },
  },
];
