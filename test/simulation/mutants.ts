/**
 * Deliberate faults in the kernel that the simulation must notice (kernel specification 16.2.6). Each is a replacement in the compiled
 * output, which must match exactly once, so that a change of the kernel cannot turn a check into nothing.
 */
import type { Run } from '../support/sim.ts';
import { kernelCopy } from './kernel-copy.ts';

export interface Mutant {
  readonly name: string;
  readonly file: string;
  readonly edits: readonly (readonly [text: string, instead: string])[];
}

export const mutants: readonly Mutant[] = [
  {
    name: 'a command is answered before its commit',
    file: 'actors/activation.js',
    edits: [['(this.#units ??= []).push(unit);', '(this.#units ??= []).push(unit); answer(e, reply);']],
  },
  {
    name: 'a read or a refusal leaves before the state that it was computed from is committed',
    file: 'actors/activation.js',
    edits: [['last.waiters.push({ envelope: e, reply });', 'answer(e, reply);']],
  },
  {
    name: 'two statements of an actor are under way',
    file: 'actors/committer.js',
    edits: [['if (this.#busy || this.#stopped || this.#open.empty)', 'if (this.#stopped || this.#open.empty)']],
  },
  {
    name: 'a conflict is taken for an own attempt without comparing the commit id',
    file: 'actors/committer.js',
    edits: [['if (stored === cid) {', 'if (stored !== undefined) {']],
  },
  {
    name: 'a result is applied without asking which call it belongs to',
    file: 'actors/internal.js',
    edits: [['if (base.state.calls[invoke] !== id.seq) {', 'if (false) {']],
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
  },
  {
    name: 'messages carry no key',
    file: 'actors/envelope.js',
    edits: [['idem: derivedIdem(key),', 'idem: null,']],
  },
  {
    name: 'a rollback does not evict',
    file: 'actors/activation.js',
    edits: [
      ['this.#k.topics.evicted(this);\n        this.#load();', 'this.#k.schedule(this);'],
      [
        'this.#spec = undefined;\n        this.#committed = undefined;\n        this.#ring = undefined;\n        this.#callIds = undefined;',
        '',
      ],
    ],
  },
  {
    name: 'a split separates a group',
    file: 'actors/components.js',
    edits: [['if (group === undefined)', 'if (true)']],
  },
  {
    name: 'the cut of a batch separates a group',
    file: 'actors/batch.js',
    edits: [['if (group !== undefined)', 'if (false)']],
  },
  {
    name: 'a fused message runs again by itself beside the event that sends it anew',
    file: 'actors/activation.js',
    edits: [['verdict === undefined ? !fused(unit.envelope) :', 'verdict === undefined ? true :']],
  },
  {
    name: 'a fused message has an outbox row too, and is sent',
    file: 'actors/fusion.js',
    edits: [['tell.fused = true;', '']],
  },
  {
    name: 'a message overtakes an earlier one of its pair by being fused',
    file: 'actors/fusion.js',
    edits: [['if (this.#waiting.get(pair)?.[0] !== tell || this.#k.outbox.busy(pair))', 'if (false)']],
  },
  {
    name: 'an actor keeps the events of a group that another one has lost',
    file: 'actors/batch.js',
    edits: [['lost.has(owner) || cut.has(owner)', 'lost.has(owner)']],
  },
  {
    name: 'an actor that lost a group does not read its state anew',
    file: 'actors/activation.js',
    edits: [["this.#status = 'ending';", 'this.scheduled = false;']],
  },
];

/** Runs seeds against a copy of the compiled kernel with the fault in it. Gives the first run that fails, or undefined: the fault lives. */
export async function hunt({ name, file, edits }: Mutant, seeds: number): Promise<Run | undefined> {
  const { simulate, remove } = await kernelCopy(name, [file], (whole) => {
    let text = whole;
    for (const [wanted, instead] of edits) {
      const parts = text.split(wanted);
      if (parts.length !== 2)
        throw new Error(`'${wanted}' stands ${parts.length - 1} times in ${file}; the mutant '${name}' needs it once`);
      text = parts.join(instead);
    }
    return text;
  });
  try {
    for (let seed = 1; seed <= seeds; seed += 1) {
      const run = await simulate({ seed });
      if (run.failure !== undefined) return run;
    }
    return undefined;
  } finally {
    remove();
  }
}
