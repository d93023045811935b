/** dsp destroy: stop everything that the project started. */

import { systemClock } from '../clock.ts';
import { destroyLocal } from '../deploy/local/destroy.ts';
import type { ExitCode } from '../errors.ts';
import type { Terminal } from '../terminal.ts';

export interface DestroyOptions {
  readonly project: string;
  readonly keepData: boolean;
  readonly json: boolean;
}

export async function runDestroy(options: DestroyOptions, terminal: Terminal): Promise<0 | ExitCode> {
  const { drained, killed, dataRemoved } = await destroyLocal(options.project, {
    keepData: options.keepData,
    clock: systemClock,
    signal: terminal.interrupt,
    report: terminal.note,
  });
  terminal.interrupt.throwIfAborted();
  if (options.json) {
    terminal.json({ schemaVersion: 1, stopped: drained + killed, killed, dataRemoved });
    return 0;
  }
  const forced = killed === 0 ? '' : ` (${killed} with SIGKILL)`;
  const data = dataRemoved ? 'its data is deleted' : options.keepData ? 'its data is kept' : 'there was no data';
  terminal.note(drained + killed === 0 ? `nothing ran; ${data}` : `stopped ${drained + killed}${forced}; ${data}`);
  return 0;
}
