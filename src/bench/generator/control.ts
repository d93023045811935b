/**
 * The control: a bare server in a thread of its own, called by the same generator in the same run. When it breaks an
 * absolute bound, this machine at this moment can't show whether a system meets it.
 */

import { Worker } from 'node:worker_threads';
import type { Requirements } from '../../requirements/requirements.ts';
import { benchModuleUrl } from '../modules.ts';
import type { GeneratorPart } from './generator-protocol.ts';

/** No part can have this name. */
export const controlName = '(control)';

/** The control is called at the rate of the run, up to this: enough samples, and the machine is left to the system. */
const maxPerSecond = 1000;

export interface Control {
  readonly part: GeneratorPart;
  stop(): Promise<void>;
}

export async function startControl(requirements: Requirements, ratePerSecond: number, seed: number): Promise<Control> {
  const worker = new Worker(benchModuleUrl('generator/control-server'));
  const port = await new Promise<number>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  const part: GeneratorPart = {
    name: controlName,
    workloadUrl: benchModuleUrl('generator/control-workload').href,
    targets: [{ host: '127.0.0.1', port }],
    context: {
      part: controlName,
      sizing: null,
      options: {},
      requirements,
      offeredLoad: { control: Math.min(maxPerSecond, ratePerSecond) },
      seed,
    },
    controlIn: ['warmup', 'steady'],
  };
  return {
    part,
    async stop() {
      await worker.terminate();
    },
  };
}
