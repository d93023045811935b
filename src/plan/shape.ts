/** The shape of plan.json, by which a file that was edited by hand is told from a plan. */

import * as z from 'zod';

const word = z.string().regex(/^[a-z][a-z0-9-]*$/);
const text = z.string();
const count = z.number().int().nonnegative();
const amount = z.number().nonnegative();
const json = z.json();
const numbers = z.record(text, z.number());
const list = <T extends z.ZodType>(item: T) => z.array(item);

const interval = z.looseObject({ low: amount, mid: amount, high: amount });

export const requirementsShape = z.looseObject({
  schemaVersion: z.literal(1),
  name: word,
  needs: list(word).min(1),
  rate: z.looseObject({
    readPerSecond: interval,
    writePerSecond: interval,
    peakFactor: interval,
    keySkew: interval.optional(),
  }),
  data: z.looseObject({ payloadBytes: interval, totalMiB: interval }),
  latency: z.looseObject({ p99Ms: amount }),
  consistency: z.looseObject({ level: z.enum(['eventual', 'bounded', 'linearizable']), stalenessMs: amount }),
  availability: z.looseObject({ target: z.number().gt(0).lt(1), recoveryMs: amount }),
  loss: z.looseObject({ rpoMs: amount }),
  cost: z.looseObject({ usdPerMonth: amount }),
  operations: z.looseObject({ effort: z.enum(['low', 'medium', 'high']), lossesPerYear: interval.optional() }),
  options: z.record(text, z.record(text, json)),
  slo: z.record(text, list(text)),
  faults: list(text).optional(),
});

const secretText = z.strictObject({
  secret: word,
  key: z.enum(['password', 'sha256', 'ca.crt', 'tls.crt', 'tls.key']),
});

/** What a target completes: a text, a reference, or several of them joined. */
const value: z.ZodType = z.lazy(() =>
  z.union([
    text,
    z.strictObject({ addressesOf: word, port: text, separator: text.optional() }),
    z.strictObject({ ownPort: text }),
    z.strictObject({ reachedPort: text, beside: z.literal(true).optional() }),
    z.strictObject({ ownHost: z.literal(true) }),
    z.strictObject({ ownName: z.literal(true) }),
    z.strictObject({ listenHost: z.literal(true) }),
    z.strictObject({ ownOrdinal: z.literal(true) }),
    z.strictObject({ volume: text }),
    z.strictObject({ file: text }),
    secretText,
    z.strictObject({ sidecar: text, port: text }),
    z.strictObject({ concat: list(value) }),
  ]),
);
const environment = z.record(text, value);

const program = z.union([
  z.looseObject({ kind: z.literal('engine'), program: text, image: text }),
  z.looseObject({ kind: z.literal('service'), bundle: text, entry: text }),
]);

const probe = z.union([
  z.looseObject({ kind: z.literal('http'), port: text, path: text }),
  z.looseObject({ kind: z.literal('tcp'), port: text }),
  z.looseObject({
    kind: z.literal('redis'),
    port: text,
    tls: z.looseObject({ ca: text, serverName: text }).optional(),
  }),
]);
const stop = z.looseObject({ signal: z.enum(['SIGTERM', 'SIGINT']), graceMs: amount });
const resources = z.looseObject({ cpuMillis: amount, memoryMiB: amount });
const port = z.looseObject({ name: text, containerPort: count });

const sidecar = z.looseObject({
  name: word,
  program,
  args: list(value),
  env: environment,
  ports: list(port),
  readiness: probe,
  stop,
  resources,
});

const processSet = z.looseObject({
  id: word,
  part: word,
  program,
  replicas: z.number().int().positive(),
  args: list(value),
  env: environment,
  ports: list(port),
  volumes: list(z.looseObject({ name: text, sizeGiB: amount })),
  files: list(z.looseObject({ name: text, path: text })),
  secretFiles: list(z.looseObject({ name: text, fileName: text, text: value })).optional(),
  access: environment.optional(),
  sidecars: list(sidecar).optional(),
  readiness: probe,
  liveness: probe.optional(),
  stop,
  resources,
  dependsOn: list(word),
  spread: z.boolean(),
});

const job = z.looseObject({
  id: word,
  part: word,
  program,
  args: list(value),
  env: environment,
  leavingEnv: z.looseObject({ name: text, set: word, port: text }).optional(),
  dependsOn: list(word),
  dependantsWait: z.literal(true).optional(),
  timeoutMs: amount,
});

const secret = z.looseObject({
  name: word,
  part: word,
  content: z.union([
    z.looseObject({ kind: z.literal('password') }),
    z.looseObject({ kind: z.literal('certificate'), serverName: text }),
  ]),
});

const topology = z.looseObject({
  processSets: list(processSet),
  jobs: list(job),
  secrets: list(secret).optional(),
});

const decision = z.looseObject({ about: text, chosen: text, because: text, numbers, from: list(text) });
const excuse = z.looseObject({ option: text, reason: text, bottleneck: text, numbers });
const prediction = z.looseObject({
  metric: text,
  predicted: z.number(),
  bound: z.number(),
  unit: text,
  margin: z.number(),
});

const hotKey = z.looseObject({
  share: amount,
  exponent: amount,
  busiestLoad: amount,
  usdPerMonth: amount.nullable(),
  remedies: list(
    z.looseObject({ name: text, how: text, risk: text, busiestLoad: amount, addsUsdPerMonth: z.number() }),
  ),
  rejected: list(excuse),
});

const part = z.looseObject({
  name: word,
  pattern: word,
  need: word.nullable(),
  // The pattern reads its own sizing back, and checks it.
  sizing: json,
  localSizing: json,
  options: z.record(text, json),
  demands: list(z.looseObject({ capability: text, from: text })),
  machines: list(z.looseObject({ machine: text, count, for: text })),
  usdPerMonth: amount,
  decisions: list(decision),
  predictions: list(prediction),
  rejected: list(excuse),
  hotKey: hotKey.optional(),
  guarantees: z.record(text, z.looseObject({})),
  bindings: z.record(text, z.looseObject({ part: word, env: environment, dependsOn: list(word) })),
  offeredLoad: z.record(text, amount),
});

export const planShape = z.looseObject({
  schemaVersion: z.literal(1),
  dspVersion: text,
  requirements: requirementsShape,
  requirementsDigest: z.string().regex(/^[0-9a-f]{64}$/),
  parts: list(part).min(1),
  edges: list(z.looseObject({ from: word, to: word, capability: text, because: text })),
  topology,
  cost: z.looseObject({
    usdPerMonth: amount,
    budgetUsdPerMonth: amount,
    machines: list(z.looseObject({ machine: z.looseObject({ name: text, usdPerMonth: amount }), count })),
    priceSource: text,
    priceDate: text,
  }),
  tightest: prediction.nullable(),
  local: z.looseObject({ scale: z.number().positive().max(1), because: text, topology }),
  decisions: list(decision),
  measured: z.record(text, z.looseObject({ meanUs: amount, scv: amount, source: text, citation: text })).optional(),
  downtimes: z
    .record(text, z.looseObject({ meanMs: amount, lowMs: amount, highMs: amount, plannedMs: amount, citation: text }))
    .optional(),
});
