/** The plan of another local scale: what `dsp deploy --scale` starts, and the bench then judges. */

import { DspError } from '../errors.ts';
import type { Catalogue } from '../pattern.ts';
import { assemblePlan, isNoPlan } from '../plan/assemble.ts';
import type { Plan } from '../plan/plan.ts';

/** Throws `plan.unreadable` when the plan's requirements give no plan with this dsp. */
export function planAtScale(plan: Plan, catalogue: Catalogue, scale: number): Plan {
  if (scale === plan.local.scale) return plan;
  const rescaled = assemblePlan(plan.requirements, catalogue, {
    dspVersion: plan.dspVersion,
    scale,
    ...(plan.measured === undefined ? {} : { measured: plan.measured }),
    ...(plan.downtimes === undefined ? {} : { downtimes: plan.downtimes }),
  });
  if (isNoPlan(rescaled)) throw new DspError('plan.unreadable', { problem: 'its requirements give no plan any more' });
  return rescaled;
}
