/**
 * Names that become file names, identifiers, environment variables and image names come from allow-lists. Everything
 * else in a plan is data, and only encoders write it.
 */

import type { Job, MountedFile, Probe, ProcessSet, Program, Secret, Sidecar, Topology, Value } from '../pattern.ts';
import type { Plan } from '../plan/plan.ts';
import { isInnerPath } from './manifest.ts';
import { unsafe } from './unsafe.ts';

const rules = {
  name: { test: /^[a-z][a-z0-9-]{0,39}$/, words: 'a-z, then up to 39 of a-z 0-9 -' },
  id: { test: /^[a-z][a-z0-9-]{0,62}$/, words: 'a-z, then up to 62 of a-z 0-9 -' },
  variable: { test: /^[A-Z][A-Z0-9_]{0,99}$/, words: 'A-Z, then A-Z 0-9 _' },
  program: { test: /^[a-z][a-z0-9._-]{0,62}$/, words: 'a-z, then a-z 0-9 . _ -' },
  image: { test: /^[a-z0-9][A-Za-z0-9._/:@-]{0,199}$/, words: 'letters, 0-9 . _ / : @ -' },
  fileName: { test: /^[a-z0-9][a-z0-9._-]{0,62}$/, words: 'a-z 0-9, then a-z 0-9 . _ -' },
  hostName: { test: /^[a-z0-9][a-z0-9.-]{0,99}$/, words: 'a-z 0-9, then a-z 0-9 . -' },
  httpPath: { test: /^\/[\w./-]{0,99}$/, words: '/, then letters, digits and . / - _' },
};

type Rule = keyof typeof rules;

/** Throws `project.unsafe-value` for the first name that is not one. */
export function checkPlanNames(plan: Plan): void {
  check('name', 'name', plan.requirements.name);
  for (const part of plan.parts) {
    check('name', 'the name of a part', part.name);
    check('id', 'a pattern', part.pattern);
    if (part.need !== null) check('id', 'needs', part.need);
  }
  for (const edge of plan.edges) {
    check('name', 'an edge', edge.from);
    check('name', 'an edge', edge.to);
  }
  checkTopology(plan.topology);
  checkTopology(plan.local.topology);
}

/** Throws `project.unsafe-value` when `path` could leave the project or mean something to a shell. */
export function checkInnerPath(what: string, path: string): void {
  if (!isInnerPath(path)) throw unsafe(what, path, 'plain names joined by /');
}

function checkTopology(topology: Topology): void {
  for (const set of topology.processSets) checkSet(set);
  for (const job of topology.jobs) checkJob(job);
  for (const secret of topology.secrets ?? []) checkSecret(secret);
}

function checkSecret({ name, part, content }: Secret): void {
  check('id', 'a secret', name);
  check('name', `the part of ${name}`, part);
  if (content.kind === 'certificate') check('hostName', `the server name of ${name}`, content.serverName);
}

function checkSet(set: ProcessSet): void {
  checkProcess(set);
  for (const port of set.ports) check('id', `a port of ${set.id}`, port.name);
  for (const volume of set.volumes) check('id', `a volume of ${set.id}`, volume.name);
  for (const file of set.files) checkFile(set.id, file);
  for (const file of set.secretFiles ?? []) {
    check('id', `a file of ${set.id}`, file.name);
    check('fileName', `a file of ${set.id}`, file.fileName);
    checkValue(set.id, file.text);
  }
  for (const value of Object.values(set.access ?? {})) checkValue(set.id, value);
  for (const sidecar of set.sidecars ?? []) checkSidecar(set, sidecar);
  for (const probe of [set.readiness, set.liveness]) checkProbe(set.id, probe);
}

function checkSidecar(set: ProcessSet, sidecar: Sidecar): void {
  check('id', `a sidecar of ${set.id}`, sidecar.name);
  checkProcess({ ...sidecar, id: `${set.id}-${sidecar.name}`, part: set.part, dependsOn: [] });
  for (const port of sidecar.ports) check('id', `a port of ${sidecar.name}`, port.name);
  checkProbe(sidecar.name, sidecar.readiness);
}

function checkJob(job: Job): void {
  checkProcess(job);
  if (job.leavingEnv === undefined) return;
  check('variable', `leavingEnv of ${job.id}`, job.leavingEnv.name);
  check('id', `leavingEnv of ${job.id}`, job.leavingEnv.set);
  check('id', `leavingEnv of ${job.id}`, job.leavingEnv.port);
}

function checkProcess(process: Pick<Job, 'id' | 'part' | 'program' | 'args' | 'env' | 'dependsOn'>): void {
  check('id', 'a process', process.id);
  check('name', `the part of ${process.id}`, process.part);
  checkProgram(process.id, process.program);
  for (const name of Object.keys(process.env)) check('variable', `the environment of ${process.id}`, name);
  for (const value of [...process.args, ...Object.values(process.env)]) checkValue(process.id, value);
  for (const id of process.dependsOn) check('id', `dependsOn of ${process.id}`, id);
}

function checkProgram(id: string, program: Program): void {
  if (program.kind === 'engine') {
    check('program', `the program of ${id}`, program.program);
    check('image', `the image of ${id}`, program.image);
  } else {
    check('id', `the bundle of ${id}`, program.bundle);
    checkInnerPath(`the entry of ${id}`, program.entry);
  }
}

const namesInValues = ['addressesOf', 'port', 'ownPort', 'reachedPort', 'volume', 'file', 'secret', 'sidecar'] as const;

function checkValue(id: string, value: Value): void {
  if (typeof value === 'string') {
    if (value.includes('\0')) throw unsafe(`a value of ${id}`, value, 'text without NUL');
    return;
  }
  if ('concat' in value) for (const part of value.concat) checkValue(id, part);
  const named = value as Partial<Record<(typeof namesInValues)[number], string>>;
  for (const name of namesInValues) {
    const given = named[name];
    if (given !== undefined) check('id', `a reference of ${id}`, given);
  }
}

function checkFile(id: string, file: MountedFile): void {
  check('id', `a file of ${id}`, file.name);
  checkInnerPath(`a file of ${id}`, file.path);
}

function checkProbe(id: string, probe: Probe | undefined): void {
  if (probe === undefined) return;
  check('id', `a probe of ${id}`, probe.port);
  if (probe.kind === 'redis' && probe.tls) {
    check('id', `a probe of ${id}`, probe.tls.ca);
    check('hostName', `a probe of ${id}`, probe.tls.serverName);
  }
  if (probe.kind === 'http') check('httpPath', `a probe of ${id}`, probe.path);
}

function check(rule: Rule, what: string, value: string): void {
  const { test, words } = rules[rule];
  if (typeof value !== 'string' || !test.test(value)) throw unsafe(what, value, words);
}
