/**
 * The items over the servers' own protocol, as an application with a smart client of its own reads and writes them: the
 * same keys, the same texts and the same acknowledgement (a write counts once as many replicas have it as the part waits
 * for), without the service between.
 */

import * as z from 'zod';
import type { RespRequest, RespResponse, WorkloadContext } from '../../src/pattern.ts';
import { buildRing, serverOf } from '../kit/src/ketama.ts';
import { itemKeyPrefix } from './access.ts';
import { type ItemsProtocol, itemsWorkload, type WriteAnswer } from './items-run.ts';
import { storeOf } from './store.ts';

const waits = z.looseObject({
  shards: z.number().int().positive(),
  waitReplicas: z.number().int().nonnegative(),
  waitTimeoutMs: z.number().nonnegative(),
});

function protocolOf(context: WorkloadContext): ItemsProtocol<RespRequest, RespResponse> {
  const { waitReplicas, waitTimeoutMs } = waits.parse(context.sizing);
  const wait = waitReplicas > 0 ? [['WAIT', `${waitReplicas}`, `${waitTimeoutMs}`]] : [];
  return {
    read: (key) => requestOf('read', key, 0, [['GET', itemKeyPrefix + key]]),
    write: (key, text, version) => requestOf('write', key, version, [['SET', itemKeyPrefix + key, text], ...wait]),
    readAnswer: (answer) => {
      const value = answer?.replies[0];
      return value === null || typeof value === 'string' ? { text: value } : 'failed';
    },
    writeAnswer: (answer) => writeAnswer(answer, waitReplicas),
  };
}

function requestOf(operation: string, key: string, value: number, commands: RespRequest['commands']): RespRequest {
  return { operation, key, value, commands, routedBy: itemKeyPrefix + key };
}

/** A server that answers SET with an error has not run it; too few replicas leave open whether it will last. */
function writeAnswer(answer: RespResponse | null, waitReplicas: number): WriteAnswer {
  if (answer === null) return 'unknown';
  const [stored, replicas] = answer.replies;
  if (stored !== 'OK') return 'not done';
  return waitReplicas === 0 || (typeof replicas === 'number' && replicas >= waitReplicas) ? 'done' : 'unknown';
}

/** A ring's servers do not say who has a key: it follows from their names, as for every other client of the ring. */
function place(context: WorkloadContext): ((key: string) => number) | undefined {
  if (storeOf(context.sizing).mode === 'store') return undefined;
  const { shards } = waits.parse(context.sizing);
  const names = Array.from({ length: shards }, (_, ordinal) => `${context.part}-redis-${ordinal}`);
  const ring = buildRing(names.map((name) => ({ name, weight: 1 })));
  return (key) => serverOf(ring, key);
}

export default { ...itemsWorkload(protocolOf), place };
