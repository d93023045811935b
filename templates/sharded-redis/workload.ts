/**
 * Reads and writes of items with a skewed choice of keys. A key is written by one worker only and, as far as answers
 * show, by one request at a time, so that its versions rise in the order of their effect; every worker reads it.
 * Operations: `read`, `write`; a write's value is its version, a read's result the version seen (0: nothing there).
 */

import { type KeySkew, keyDraw } from '../../src/key-skew.ts';
import type {
  Judgement,
  Workload,
  WorkloadContext,
  WorkloadRequest,
  WorkloadResponse,
  WorkloadRun,
} from '../../src/pattern.ts';
import type { Random } from '../../src/random.ts';
import { itemCount, itemIndex, itemKey, itemText, parseItem, payloadBytes } from './items.ts';
import { storeOf } from './store.ts';
import { WriteKeys } from './write-keys.ts';

/** The n-th most popular key gets a share of 1 ÷ n^0.99, as in YCSB's Zipfian, unless the run asks for another. */
const usualSkew: KeySkew = { kind: 'zipf', exponent: 0.99 };
/** The version that the store is filled with. */
const filledVersion = 1;
/** What a read saw, where that is no version: a text that is no item of the key. */
const notAnItem = -1;

class ItemsRun implements WorkloadRun {
  readonly #context: WorkloadContext;
  readonly #cache: boolean;
  readonly #reading: (random: Random) => number;
  readonly #writing: WriteKeys;
  /** By key: the last version sent, and whether it was ever there. */
  readonly #versions: Float64Array;
  readonly #seen: Uint8Array;

  constructor(context: WorkloadContext) {
    const keys = itemCount(context);
    this.#context = context;
    this.#cache = storeOf(context.sizing).mode === 'cache';
    const { skew = usualSkew } = context;
    this.#reading = keyDraw(skew, keys);
    this.#writing = new WriteKeys(
      ownKeys(context),
      workersShare(skew, context),
      (context.offeredLoad.write ?? 0) / context.workerCount,
    );
    this.#versions = new Float64Array(keys).fill(filledVersion);
    this.#seen = new Uint8Array(keys);
  }

  next(operation: string, random: Random): WorkloadRequest {
    if (operation === 'read') return readRequest(itemKey(this.#reading(random)));
    const index = this.#writing.next(random);
    this.#versions[index]! += 1;
    return writeRequest(this.#context, index, this.#versions[index]!);
  }

  judge(request: WorkloadRequest, response: WorkloadResponse | null): Judgement {
    const index = itemIndex(request.key);
    const mayBeAbsent = this.#cache || this.#seen[index] !== 1;
    const write = request.operation === 'write';
    const judgement = write ? judgeWrite(request, response) : this.#judgeRead(request, response, mayBeAbsent);
    if (write && request.value !== filledVersion) this.#writing.ended(index, judgement.outcome === 'ok');
    if (judgement.outcome === 'ok' && judgement.result > 0) this.#seen[index] = 1;
    return judgement;
  }

  /** A failed read changed nothing; a value of an earlier run is as good as none. */
  #judgeRead(request: WorkloadRequest, response: WorkloadResponse | null, mayBeAbsent: boolean): Judgement {
    if (response?.status === 404) return { outcome: 'ok', correct: mayBeAbsent, result: 0 };
    if (response?.status !== 200) return { outcome: 'fail', correct: false, result: 0 };
    const item = parseItem(response.body, payloadBytes(this.#context));
    if (item === null || item.key !== request.key) return { outcome: 'ok', correct: false, result: notAnItem };
    if (item.run !== this.#context.seed) return { outcome: 'ok', correct: mayBeAbsent, result: 0 };
    return { outcome: 'ok', correct: true, result: item.version };
  }
}

function judgeWrite(request: WorkloadRequest, response: WorkloadResponse | null): Judgement {
  if (response !== null && response.status >= 200 && response.status < 300) {
    return { outcome: 'ok', correct: true, result: request.value };
  }
  return { outcome: certainlyNotRun(response) ? 'fail' : 'unknown', correct: false, result: 0 };
}

/** Refused as it stands, or by a service that says that nothing was done: everything else may have run. */
function certainlyNotRun(response: WorkloadResponse | null): boolean {
  if (response === null) return false;
  if (response.status >= 400 && response.status < 500) return true;
  return response.status === 503 && /"outcome"\s*:\s*"not done"/.test(response.body);
}

/** Every key belongs to the worker whose index it leaves when divided by their count. */
function ownKeys(context: WorkloadContext): readonly number[] {
  const own: number[] = [];
  const count = itemCount(context);
  for (let index = context.workerIndex; index < count; index += context.workerCount) own.push(index);
  return own;
}

/** Of the hot keys, a worker writes those that are its own. */
function workersShare(skew: KeySkew, { workerCount }: WorkloadContext): KeySkew {
  return skew.kind === 'hot' ? { ...skew, keys: Math.ceil(skew.keys / workerCount) } : skew;
}

function readRequest(key: string): WorkloadRequest {
  return { operation: 'read', method: 'GET', path: `/v1/items/${key}`, key, value: 0 };
}

function writeRequest(context: WorkloadContext, index: number, version: number): WorkloadRequest {
  const key = itemKey(index);
  const item = { key, version, writer: context.workerIndex, run: context.seed };
  return {
    operation: 'write',
    method: 'PUT',
    path: `/v1/items/${key}`,
    headers: { 'content-type': 'text/plain; charset=utf-8' },
    body: itemText(item, payloadBytes(context)),
    key,
    value: version,
  };
}

export default {
  create: (context) => new ItemsRun(context),
  /** Fills the context's worker's keys; with a worker count of 1, all of them. */
  prepare: (context) => ownKeys(context).map((index) => writeRequest(context, index, filledVersion)),
  finalReads: (_, keys) => keys.map(readRequest),
} satisfies Workload;
