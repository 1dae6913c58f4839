import { concatenated } from '../foundation/concatenated';
import type { LabelledBatch } from './batch-parts';
import type { Tensor } from './ops';
import { type PartInputs, partFeeds } from './part-inputs';
import { type Feed, type Session, taken } from './session';

/** Network of one of the parts that run at once. */
interface PartNetwork {
  readonly inputs: PartInputs;
}

/** Parts that run at once, each with a network of its own. */
export interface PartGroup<Network extends PartNetwork> {
  lanes: readonly Network[];
  feeds: [Tensor, Feed][];
}

/** Groups of as many parts as there are lanes; the last may have fewer. */
export function partGroups<Network extends PartNetwork>(
  parts: readonly LabelledBatch[],
  lanes: readonly Network[],
): PartGroup<Network>[] {
  return Array.from({ length: Math.ceil(parts.length / lanes.length) }, (_, i) => {
    const group = parts.slice(i * lanes.length, (i + 1) * lanes.length);
    return {
      lanes: lanes.slice(0, group.length),
      feeds: group.flatMap((part, n) => partFeeds(lanes[n].inputs, part)),
    };
  });
}

/**
 * Runs some ends of the network on all parts.
 *
 * @param further values of inputs that all parts share
 * @returns values of each end, part after part
 */
export function runParts<Network extends PartNetwork>(
  session: Session,
  groups: readonly PartGroup<Network>[],
  ends: (lane: Network) => readonly Tensor[],
  further: readonly [Tensor, Feed][] = [],
): Float32Array[] {
  const found = groups.flatMap(({ lanes, feeds }) => {
    const fetched = lanes.map(ends);
    const values = session.run([...feeds, ...further], fetched.flat()).map(taken);
    return fetched.map(({ length }, lane) => values.slice(lane * length, (lane + 1) * length));
  });
  return found[0].map((_, end) => concatenated(found.map((part) => part[end])));
}
