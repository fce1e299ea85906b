import type { CommitUnit, UnitOwner } from './unit.ts';

/** Actors of a batch that stand or fall together, because they share groups, with their units in order; mostly one actor. */
export interface Component {
  readonly owners: readonly UnitOwner[];
  readonly units: readonly CommitUnit[];
}

interface Growing {
  owners: UnitOwner[];
  /** the component that this one has become a part of */
  into: Growing | undefined;
  readonly units: CommitUnit[];
}

function root(c: Growing): Growing {
  let top = c;
  while (top.into !== undefined) top = top.into;
  return top;
}

/** The components of a batch, in the order of their first units. */
export function componentsOf(units: readonly CommitUnit[]): Component[] {
  const byOwner = new Map<UnitOwner, Growing>();
  for (const { owner, group } of units) {
    let own = byOwner.get(owner);
    if (own === undefined) byOwner.set(owner, (own = { owners: [owner], into: undefined, units: [] }));
    if (group === undefined) continue;
    for (const member of group.members) {
      const other = byOwner.get(member);
      if (other === undefined) continue;
      const [a, b] = [root(own), root(other)];
      if (a === b) continue;
      b.into = a;
      a.owners.push(...b.owners);
    }
  }
  const found = new Set<Growing>();
  for (const unit of units) {
    const own = root(byOwner.get(unit.owner) as Growing);
    own.units.push(unit);
    found.add(own);
  }
  return [...found];
}
