/**
 * The commands that make sense on a ring of independent servers: each concerns keys that are known from its arguments, so
 * that it can be sent to their owners. Pure.
 */

/** Where the keys are: the first argument, or all of them, each a command of its own whose answers are joined. */
export type Keys = 'first' | 'each';

export interface RingCommand {
  readonly keys: Keys;
  /** Sent again when its server was lost on the way. */
  readonly readOnly: boolean;
  /** How the answers of `each` become one. */
  readonly join?: 'sum' | 'list';
}

const read: RingCommand = { keys: 'first', readOnly: true };
const write: RingCommand = { keys: 'first', readOnly: false };

const table: Readonly<Record<string, RingCommand>> = {
  ...group(read, 'get strlen getrange ttl pttl expiretime pexpiretime type'),
  ...group(read, 'hget hmget hgetall hexists hlen hkeys hvals hstrlen lrange lindex llen'),
  ...group(read, 'sismember smismember smembers scard zscore zmscore zrange zrank zrevrank zcard zcount'),
  ...group(read, 'getbit bitcount'),
  ...group(write, 'set setex psetex setnx getset getdel getex append setrange incr incrby incrbyfloat decr decrby'),
  ...group(write, 'expire pexpire expireat pexpireat persist'),
  ...group(write, 'hset hsetnx hdel hincrby hincrbyfloat lpush lpushx rpush rpushx lpop rpop lset lrem ltrim'),
  ...group(write, 'sadd srem spop zadd zincrby zrem zpopmin zpopmax zremrangebyscore zremrangebyrank setbit'),
  mget: { keys: 'each', readOnly: true, join: 'list' },
  exists: { keys: 'each', readOnly: true, join: 'sum' },
  touch: { keys: 'each', readOnly: false, join: 'sum' },
  del: { keys: 'each', readOnly: false, join: 'sum' },
  unlink: { keys: 'each', readOnly: false, join: 'sum' },
};

function group(command: RingCommand, names: string): Readonly<Record<string, RingCommand>> {
  return Object.fromEntries(names.split(' ').map((name) => [name, command]));
}

/** In lower case: what the ambassador must be allowed on every server. */
export const ringCommandNames: readonly string[] = [...Object.keys(table)].sort();

export function ringCommand(name: string): RingCommand | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}

/** One command to one owner. */
export interface Part {
  readonly name: string;
  readonly key: Buffer;
  readonly args: readonly Buffer[];
}

/** What to send to whom; a list answers one key at a time, as `MGET` of one key has a list of one. */
export function partsOf(name: string, command: RingCommand, args: readonly Buffer[]): readonly Part[] {
  if (command.keys === 'first') return [{ name, key: args[0] as Buffer, args }];
  return args.map((key) => ({ name, key, args: [key] }));
}

export function joinAnswers(command: RingCommand, answers: readonly unknown[]): unknown {
  if (command.join === 'sum') return answers.reduce<number>((sum, answer) => sum + Number(answer), 0);
  if (command.join === 'list') return answers.flat();
  return answers[0];
}
