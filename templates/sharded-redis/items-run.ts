/**
 * Reads and writes of items with a skewed choice of keys, whatever the protocol. A key is written by one worker only and, as
 * far as answers show, by one request at a time, so that its versions rise in the order of their effect; every worker reads
 * it. Operations: `read`, `write`; a write's value is its version, a read's result the version seen (0: nothing there).
 */

import { exponentFor, hottestKeyShare, type KeySkew, keyDraw, usualExponent } from '../../src/key-skew.ts';
import type { Judgement, Operation, Workload, WorkloadContext, WorkloadRun } from '../../src/pattern.ts';
import type { Random } from '../../src/random.ts';
import { itemCount, itemIndex, itemKey, itemText, parseItem, payloadBytes } from './items.ts';
import { storeOf } from './store.ts';
import { WriteKeys } from './write-keys.ts';

/** What an answer to a read says: the text that was there, null for nothing there, or that there is no answer. */
export type ReadAnswer = { readonly text: string | null } | 'failed';
/** What an answer to a write says: `not done` is certain. */
export type WriteAnswer = 'done' | 'not done' | 'unknown';

/** How items are read and written in a protocol with requests `Q` and answers `A`. */
export interface ItemsProtocol<Q extends Operation, A> {
  read(key: string): Q;
  write(key: string, text: string, version: number): Q;
  /** Null: no answer came. */
  readAnswer(answer: A | null): ReadAnswer;
  writeAnswer(answer: A | null): WriteAnswer;
}

/** The version that the store is filled with. */
const filledVersion = 1;
/** What a read saw, where that is no version: a text that is no item of the key. */
const notAnItem = -1;

class ItemsRun<Q extends Operation, A> implements WorkloadRun<Q, A> {
  readonly #context: WorkloadContext;
  readonly #protocol: ItemsProtocol<Q, A>;
  readonly #cache: boolean;
  readonly #reading: (random: Random) => number;
  readonly #writing: WriteKeys;
  /** By key: the last version sent, and whether it was ever there. */
  readonly #versions: Float64Array;
  readonly #seen: Uint8Array;

  constructor(context: WorkloadContext, protocol: ItemsProtocol<Q, A>) {
    const keys = itemCount(context);
    this.#context = context;
    this.#protocol = protocol;
    this.#cache = storeOf(context.sizing).mode === 'cache';
    const { skew = plannedSkew(context) } = context;
    this.#reading = keyDraw(skew, keys);
    this.#writing = new WriteKeys(
      ownKeys(context),
      workersShare(skew, context),
      (context.offeredLoad.write ?? 0) / context.workerCount,
    );
    this.#versions = new Float64Array(keys).fill(filledVersion);
    this.#seen = new Uint8Array(keys);
  }

  next(operation: string, random: Random): Q {
    if (operation === 'read') return this.#protocol.read(itemKey(this.#reading(random)));
    const index = this.#writing.next(random);
    this.#versions[index]! += 1;
    return writeOf(this.#protocol, this.#context, index, this.#versions[index]!);
  }

  judge(request: Q, answer: A | null): Judgement {
    const index = itemIndex(request.key);
    const mayBeAbsent = this.#cache || this.#seen[index] !== 1;
    const write = request.operation === 'write';
    const judgement = write
      ? judgeWrite(request, this.#protocol.writeAnswer(answer))
      : this.#judgeRead(request, this.#protocol.readAnswer(answer), mayBeAbsent);
    if (write && request.value !== filledVersion) this.#writing.ended(index, judgement.outcome === 'ok');
    if (judgement.outcome === 'ok' && judgement.result > 0) this.#seen[index] = 1;
    return judgement;
  }

  /** A failed read changed nothing; a value of an earlier run is as good as none. */
  #judgeRead(request: Q, answer: ReadAnswer, mayBeAbsent: boolean): Judgement {
    if (answer === 'failed') return { outcome: 'fail', correct: false, result: 0 };
    if (answer.text === null) return { outcome: 'ok', correct: mayBeAbsent, result: 0 };
    const item = parseItem(answer.text, payloadBytes(this.#context));
    if (item === null || item.key !== request.key) return { outcome: 'ok', correct: false, result: notAnItem };
    if (item.run !== this.#context.seed) return { outcome: 'ok', correct: mayBeAbsent, result: 0 };
    return { outcome: 'ok', correct: true, result: item.version };
  }
}

function judgeWrite(request: Operation, answer: WriteAnswer): Judgement {
  if (answer === 'done') return { outcome: 'ok', correct: true, result: request.value };
  return { outcome: answer === 'not done' ? 'fail' : 'unknown', correct: false, result: 0 };
}

/**
 * Zipf's law as the plan has it, but over the bench's keys, which are fewer: with the exponent that gives the hottest of
 * them the share that the plan's hottest has.
 */
export function plannedSkew(context: WorkloadContext): KeySkew {
  const bytes = storeOf(context.sizing).totalMiB * 2 ** 20;
  const planned = Math.max(1, Math.floor(bytes / payloadBytes(context)));
  const share = hottestKeyShare(planned, context.requirements.rate.keySkew?.high ?? usualExponent);
  return { kind: 'zipf', exponent: exponentFor(itemCount(context), share) };
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

function writeOf<Q extends Operation, A>(
  protocol: ItemsProtocol<Q, A>,
  context: WorkloadContext,
  index: number,
  version: number,
): Q {
  const key = itemKey(index);
  const item = { key, version, writer: context.workerIndex, run: context.seed };
  return protocol.write(key, itemText(item, payloadBytes(context)), version);
}

export function itemsWorkload<Q extends Operation, A>(
  protocolOf: (context: WorkloadContext) => ItemsProtocol<Q, A>,
): Workload<Q, A> {
  return {
    create: (context) => new ItemsRun(context, protocolOf(context)),
    /** Fills the context's worker's keys; with a worker count of 1, all of them. */
    prepare: (context) => ownKeys(context).map((index) => writeOf(protocolOf(context), context, index, filledVersion)),
    finalReads: (context, keys) => keys.map((key) => protocolOf(context).read(key)),
  };
}
