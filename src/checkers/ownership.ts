/** A space of slots, each owned by exactly one member, as every member sees it. */

export interface Ownership {
  /** Who says so. */
  readonly viewer: string;
  readonly ranges: readonly { readonly from: number; readonly to: number; readonly owner: string }[];
}

export interface OwnershipFindings {
  /** Slots that no view gives an owner, as ranges `from–to`. */
  readonly uncovered: readonly string[];
  /** Slots that one view gives to two owners. */
  readonly ownedTwice: readonly string[];
  /** Slots on whose owner the views differ. */
  readonly disputed: readonly string[];
}

/** Compares the views over the slots 0 … size − 1. A slot that some views leave out is disputed. O(views × size). */
export function checkOwnership(size: number, views: readonly Ownership[]): OwnershipFindings {
  const uncovered: number[] = [];
  const ownedTwice: number[] = [];
  const disputed: number[] = [];
  const owners = views.map((view) => ownersBySlot(size, view));
  for (let slot = 0; slot < size; slot++) {
    const seen = new Set(owners.map((view) => view[slot] ?? ''));
    if (seen.size === 0 || (seen.size === 1 && seen.has(''))) uncovered.push(slot);
    else if (seen.size > 1) disputed.push(slot);
    if ([...seen].some((owner) => owner.includes(separator))) ownedTwice.push(slot);
  }
  return { uncovered: asRanges(uncovered), ownedTwice: asRanges(ownedTwice), disputed: asRanges(disputed) };
}

const separator = ' and ';

/** Two owners of a slot stand together, in an order that does not depend on the view's. */
function ownersBySlot(size: number, view: Ownership): readonly (string | undefined)[] {
  const owners = new Array<string | undefined>(size);
  for (const { from, to, owner } of view.ranges) {
    for (let slot = Math.max(0, from); slot <= Math.min(to, size - 1); slot++) {
      const other = owners[slot];
      owners[slot] = other === undefined || other === owner ? owner : [other, owner].sort().join(separator);
    }
  }
  return owners;
}

/** Ascending numbers as `3` and `5–9`. */
export function asRanges(ascending: readonly number[]): readonly string[] {
  const ranges: string[] = [];
  for (let first = 0; first < ascending.length; ) {
    let last = first;
    while (ascending[last + 1] === ascending[last]! + 1) last += 1;
    ranges.push(first === last ? `${ascending[first]}` : `${ascending[first]}–${ascending[last]}`);
    first = last + 1;
  }
  return ranges;
}
