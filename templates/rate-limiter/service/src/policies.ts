/** policies.yaml: what each policy allows. Read at start and again whenever the file changes. */

import { readFile, stat } from 'node:fs/promises';
import { parseDocument } from 'yaml';
import * as z from 'zod';
import { compileRate, maxRefillMs, type Quota, type Rate, refillMs } from './gcra.ts';

/** What a check is answered when the store cannot be asked: refused, admitted, or by this instance's share of the limit. */
export type OnStoreFailure = 'closed' | 'open' | 'local';

export interface Policy extends Quota {
  readonly name: string;
  readonly onStoreFailure: OnStoreFailure;
  /** Evaluated and counted, but never refuses. */
  readonly shadow: boolean;
  /** Units by which any window may pass the limit, so that limiters may lease (lease.ts); 0: exact. */
  readonly allowedError: number;
  readonly rate: Rate;
}

export type Policies = ReadonlyMap<string, Policy>;

/** Far above any real file, far below what would hurt to parse. */
const maxFileBytes = 1024 * 1024;
const maxPolicies = 1000;
const maxUnits = 1_000_000_000;
const maxPeriodMs = 366 * 86_400_000;

/** Names go into HTTP headers, metric labels and store keys: nothing that any of them would have to escape. */
export const policyNamePattern = /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/;

const policySchema = z
  .strictObject({
    name: z.string().regex(policyNamePattern, 'must be a letter, then up to 63 letters, digits, dots, _ or -'),
    limit: z.int().min(1).max(maxUnits),
    periodMs: z.int().min(1).max(maxPeriodMs),
    burst: z.int().min(1).max(maxUnits).optional(),
    onStoreFailure: z.enum(['closed', 'open', 'local']).default('closed'),
    shadow: z.boolean().default(false),
    allowedError: z.int().min(0).max(maxUnits).default(0),
  })
  .transform((policy) => ({ ...policy, burst: policy.burst ?? policy.limit }))
  .refine((policy) => refillMs(policy) <= maxRefillMs, {
    path: ['burst'],
    message: 'takes more than ten years to refill at limit ÷ periodMs',
  });

const fileSchema = z
  .strictObject({ policies: z.array(policySchema).min(1).max(maxPolicies) })
  .superRefine(({ policies }, context) => {
    const seen = new Set<string>();
    for (const [index, { name }] of policies.entries()) {
      if (seen.has(name))
        context.addIssue({ code: 'custom', path: ['policies', index, 'name'], message: `${name} twice` });
      seen.add(name);
    }
  });

/** Every problem of a policy file at once, each with its place. */
export class PolicyFileError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`policies: ${problems.join('; ')}`);
    this.name = 'PolicyFileError';
    this.problems = problems;
  }
}

/** The policies of a file's text, by name. Throws {@link PolicyFileError}. */
export function parsePolicies(text: string): Policies {
  const result = fileSchema.safeParse(parseYaml(text));
  if (!result.success) {
    throw new PolicyFileError(
      result.error.issues.map(({ path, message }) => `${path.map(String).join('.')}: ${message}`),
    );
  }
  return new Map(result.data.policies.map((policy) => [policy.name, { ...policy, rate: compileRate(policy) }]));
}

/** Aliases are refused rather than limited: a policy file needs none, and a few lines of them can fill the memory. */
function parseYaml(text: string): unknown {
  if (Buffer.byteLength(text) > maxFileBytes) throw new PolicyFileError([`larger than ${maxFileBytes} bytes`]);
  const document = parseDocument(text, { schema: 'core', strict: true, uniqueKeys: true });
  const problems = [...document.errors, ...document.warnings].map(({ message }) => message.split('\n')[0] ?? message);
  if (problems.length > 0) throw new PolicyFileError(problems);
  try {
    return document.toJS({ maxAliasCount: 0 });
  } catch (error) {
    throw new PolicyFileError([error instanceof ReferenceError ? 'aliases are not allowed' : String(error)]);
  }
}

/** Where a limiter finds the policies of the moment. */
export interface PolicySource {
  current(): Policies;
}

/** Policies that stay as they are. */
export function fixedPolicies(policies: Policies): PolicySource {
  return { current: () => policies };
}

export interface PolicyFile extends PolicySource {
  close(): void;
}

export interface WatchOptions {
  readonly pollMs: number;
  /** Called after each change: with the new policies, or with the error that left the old ones in force. */
  readonly onChange: (outcome: { readonly policies: Policies } | { readonly error: unknown }) => void;
}

/**
 * Reads the file, and reads it again when its text has changed. A file that is gone or wrong leaves the policies as they
 * are. The text is compared rather than watched for: a mounted ConfigMap changes by a link's being replaced, of which the
 * operating system tells nothing. Rejects when the first reading fails.
 */
export async function watchPolicies(path: string, options: WatchOptions): Promise<PolicyFile> {
  let text: string | undefined = await readBounded(path);
  let policies = parsePolicies(text);
  let timer: NodeJS.Timeout | undefined;
  let closed = false;

  const poll = async () => {
    try {
      const found = await readBounded(path);
      if (found !== text) {
        text = found;
        policies = parsePolicies(found);
        options.onChange({ policies });
      }
    } catch (error) {
      // A file that cannot be read is reported once, and counts as changed when it is back.
      if (!(error instanceof PolicyFileError) && text === undefined) return;
      if (!(error instanceof PolicyFileError)) text = undefined;
      options.onChange({ error });
    }
  };
  const schedule = () => {
    timer = setTimeout(() => poll().finally(() => closed || schedule()), options.pollMs);
    timer.unref();
  };
  schedule();
  return {
    current: () => policies,
    close() {
      closed = true;
      clearTimeout(timer);
    },
  };
}

async function readBounded(path: string): Promise<string> {
  const { size } = await stat(path);
  if (size > maxFileBytes) throw new PolicyFileError([`larger than ${maxFileBytes} bytes`]);
  return readFile(path, 'utf8');
}
