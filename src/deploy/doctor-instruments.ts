/** What faults need of this machine beside what a deployment needs: looked for always, and asked for where one is planned. */

import { reachOfPhases } from '../requirements/faults.ts';
import type { Check } from './doctor-check.ts';
import { findFaketime } from './local/find-instruments.ts';
import { findCompiler } from './local/synced.ts';

/** `faults`: those of the requirements. */
export function checkInstruments(faults: readonly string[], searchPath: string): readonly Check[] {
  const kinds = (kind: string) => faults.some((phase) => phase.split('+').some((one) => one.startsWith(`${kind}:`)));
  return [
    instrument({
      id: 'c-compiler',
      need: 'a C compiler, for faults of the kind power',
      found: findCompiler(searchPath),
      isWanted: kinds('power'),
      mend: 'install one, as with `apt-get install gcc libc6-dev`: without, a loss of power is assumed',
    }),
    instrument({
      id: 'libfaketime',
      need: 'libfaketime, for faults of the kind clock',
      found: findFaketime(),
      isWanted: reachOfPhases(faults) === 'clock',
      mend: 'install it, as with `apt-get install faketime`',
    }),
  ];
}

interface Instrument {
  readonly id: string;
  readonly need: string;
  readonly found: string | null;
  readonly isWanted: boolean;
  readonly mend: string;
}

function instrument({ id, need, found, isWanted, mend }: Instrument): Check {
  const ok = found !== null || !isWanted;
  const words =
    found ?? (isWanted ? 'not found, and dsp.yaml has such a fault' : 'not found, and not needed by dsp.yaml');
  return { id, need, ok, found: words, mend: ok ? null : mend, install: [] };
}
