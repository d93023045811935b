/** What the local target needs of this machine, need by need, with the command that mends what is missing. */

import { accessSync, constants, existsSync, readFileSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DspError } from '../errors.ts';
import { packageManifest } from '../package-root.ts';
import type { Topology } from '../pattern.ts';
import { parsePlan } from '../plan/file.ts';
import type { Plan } from '../plan/plan.ts';
import { planPath } from '../project/manifest.ts';
import type { Check } from './doctor-check.ts';
import { checkInstruments } from './doctor-instruments.ts';
import { engines, findExecutable, isAtLeast, searchEngine } from './engines.ts';
import { allocatePorts, isPortFree, portNeeds, portRange } from './local/ports.ts';
import { availableMemoryMiB, ephemeralPortStart, openFileLimit, requireProcfs } from './local/procfs.ts';

export interface Machine {
  /** A project with a plan, or null: then the needs of every engine and of a small deployment are looked at. */
  readonly project: string | null;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** What a deployment of unknown size needs. */
const unplanned = { ports: 16, memoryMiB: 512 };
const leastDiskMiB = 1_024;
const leastOpenFiles = 4_096;

export async function examine(machine: Machine): Promise<readonly Check[]> {
  const plan = machine.project === null ? null : readPlan(machine.project);
  const topology = plan?.local.topology ?? null;
  const folder = machine.project ?? machine.cwd;
  const searchPath = machine.env.PATH ?? '';
  return [
    checkSystem(),
    checkNode(),
    checkNpm(searchPath),
    ...(await Promise.all(programsOf(topology).map((program) => checkEngine(program, searchPath)))),
    await checkPorts(topology),
    checkWritable('writable', machine.project === null ? 'this folder' : 'the project', folder),
    checkWritable('temporary', 'the folder for temporary files', tmpdir()),
    checkDisk(folder),
    checkMemory(topology, machine.project),
    checkOpenFiles(),
    ...checkInstruments(plan?.requirements.faults ?? [], searchPath),
  ];
}

function check(id: string, need: string, found: string, problem: string | null): Check {
  return { id, need, ok: problem === null, found, mend: problem, install: [] };
}

/** Null when there is none that can be read. */
function readPlan(project: string): Plan | null {
  try {
    return parsePlan(readFileSync(join(project, planPath), 'utf8'), planPath);
  } catch {
    return null;
  }
}

function programsOf(topology: Topology | null): readonly string[] {
  if (topology === null) return engines.map(({ program }) => program);
  const programs = topology.processSets.flatMap(({ program }) => (program.kind === 'engine' ? [program.program] : []));
  return [...new Set(programs)];
}

function checkSystem(): Check {
  try {
    requireProcfs();
    return check('system', 'Linux with /proc', `${process.platform} ${process.arch}`, null);
  } catch (error) {
    if (!(error instanceof DspError)) throw error;
    return check('system', 'Linux with /proc', process.platform, error.mend);
  }
}

function checkNode(): Check {
  const range = packageManifest().engines.node;
  const version = process.versions.node;
  return check(
    'node',
    `Node.js ${range}`,
    version,
    satisfies(version, range) ? null : 'install Node.js 22 or 24 (https://nodejs.org, or `nvm install 22`)',
  );
}

/** Whether `version` is in a range of `^a.b.c` and `>=a` alternatives, as package.json's engines has them. */
export function satisfies(version: string, range: string): boolean {
  return range.split('||').some((alternative) => {
    const text = alternative.trim();
    const minimum = text.replace(/^(\^|>=)/, '');
    if (!isAtLeast(version, minimum)) return false;
    return !text.startsWith('^') || version.split('.')[0] === minimum.split('.')[0];
  });
}

function checkNpm(searchPath: string): Check {
  const path = findExecutable('npm', `${dirname(process.execPath)}:${searchPath}`);
  const mend = 'install npm: it comes with Node.js (https://nodejs.org), or `apt-get install npm`';
  return check('npm', 'npm, to install the packages of a project', path ?? 'not on PATH', path === null ? mend : null);
}

async function checkEngine(program: string, searchPath: string): Promise<Check> {
  const { engine, found, rejected } = await searchEngine(program, searchPath);
  const words = engine.alternatives.map((alternative) => `${alternative.program} ≥ ${alternative.minimum}`);
  const need = words.join(' or ');
  if (found !== null) return check(program, need, `${found.path} ${found.version}`, null);
  const there = rejected.length === 0 ? 'not on PATH' : rejected.join(', ');
  const onDebian = findExecutable('apt-get', searchPath) !== null;
  const mend = onDebian ? '`dsp doctor --fix`' : `install ${need} with the package manager of this system`;
  return { ...check(program, need, there, mend), install: onDebian ? engine.alternatives : [] };
}

async function checkPorts(topology: Topology | null): Promise<Check> {
  const needs =
    topology === null
      ? Array.from({ length: unplanned.ports }, (_, i) => ({ instance: `${i}`, name: 'any', alsoReserveOffset: 0 }))
      : portNeeds(topology);
  const range = portRange(ephemeralPortStart());
  const words = `${needs.length} free ports from ${range.from} to ${range.to - 1} on 127.0.0.1`;
  try {
    await allocatePorts({ needs, range, start: 0, taken: new Set(), held: {}, preferred: {}, isFree: isPortFree });
    return check('ports', words, 'free', null);
  } catch (error) {
    if (!(error instanceof DspError)) throw error;
    return check('ports', words, 'not enough are free', error.mend);
  }
}

function checkWritable(id: string, what: string, folder: string): Check {
  const need = `write access to ${what}`;
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    return check(id, need, folder, null);
  } catch {
    return check(id, need, `none to ${folder}`, `chmod u+rwx ${JSON.stringify(folder)}`);
  }
}

function checkDisk(folder: string): Check {
  const { bavail, bsize } = statfsSync(folder);
  const freeMiB = Math.floor((bavail * bsize) / 2 ** 20);
  const mend = `free space on the file system of ${folder} (\`du -xh -d1 ${folder}\` shows what takes it)`;
  return check('disk', `${leastDiskMiB} MiB free on the disk`, `${freeMiB} MiB`, freeMiB < leastDiskMiB ? mend : null);
}

function checkMemory(topology: Topology | null, project: string | null): Check {
  const sets = topology?.processSets ?? [];
  const planned = sets.reduce((sum, { replicas, resources }) => sum + replicas * resources.memoryMiB, 0);
  const neededMiB = topology === null ? unplanned.memoryMiB : planned;
  const freeMiB = availableMemoryMiB();
  const need = `${neededMiB} MiB of memory${topology === null ? '' : " for the plan's local scale"}`;
  if (freeMiB === null) return check('memory', need, 'the system does not tell', null);
  if (project !== null && existsSync(join(project, '.dsp', 'run', 'state.json'))) {
    return check('memory', need, `${freeMiB} MiB available beside what is deployed`, null);
  }
  const mend = topology === null ? 'end programs that take memory' : '`dsp deploy --scale 0.1`, or end other programs';
  return check('memory', need, `${freeMiB} MiB available`, freeMiB < neededMiB ? mend : null);
}

function checkOpenFiles(): Check {
  const limit = openFileLimit();
  const enough = limit === null || limit >= leastOpenFiles;
  const found = limit === null ? 'the system does not tell' : String(limit);
  return check('open-files', `${leastOpenFiles} open files a process`, found, enough ? null : '`ulimit -n 65536`');
}
