/** dsp destroy: stop everything that the project started. */

import { systemClock } from '../clock.ts';
import type { Place } from '../deploy/kubernetes/session.ts';
import { destroyLocal } from '../deploy/local/destroy.ts';
import type { ExitCode } from '../errors.ts';
import type { Terminal } from '../terminal.ts';
import { place } from './deploy.ts';
import { chosenTarget, type TargetName } from './target.ts';

export interface DestroyOptions {
  readonly project: string;
  readonly keepData: boolean;
  readonly json: boolean;
  readonly target?: TargetName;
  readonly kubernetes?: Place & { readonly unlock: boolean };
}

export async function runDestroy(options: DestroyOptions, terminal: Terminal): Promise<0 | ExitCode> {
  if (chosenTarget(options) === 'kubernetes') return onKubernetes(options, terminal);
  const { drained, killed, dataRemoved } = await destroyLocal(options.project, settingsOf(options, terminal));
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

/** What both targets are told. */
function settingsOf({ keepData }: DestroyOptions, { interrupt: signal, note: report }: Terminal) {
  return { keepData, clock: systemClock, signal, report };
}

async function onKubernetes(options: DestroyOptions, terminal: Terminal): Promise<0 | ExitCode> {
  const { destroyKubernetes } = await import('../deploy/kubernetes/destroy.ts');
  const { readPlan } = await import('../project/state.ts');
  const { deleted, volumesDeleted } = await destroyKubernetes(options.project, await readPlan(options.project), {
    ...place(options.kubernetes ?? {}),
    unlock: options.kubernetes?.unlock ?? false,
    ...settingsOf(options, terminal),
  });
  terminal.interrupt.throwIfAborted();
  if (options.json) {
    terminal.json({ schemaVersion: 1, target: 'kubernetes', deleted, volumesDeleted, dataRemoved: volumesDeleted > 0 });
    return 0;
  }
  const data = options.keepData ? 'the volumes are kept' : `${volumesDeleted} volumes deleted`;
  terminal.note(deleted === 0 ? `nothing ran; ${data}` : `deleted ${deleted} resources; ${data}`);
  return 0;
}
