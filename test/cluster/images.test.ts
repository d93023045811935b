/** Images that dsp builds itself and pushes to a registry, where the nodes of a real cluster pull them. */

import { mkdirSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Report } from '../../src/bench/report.ts';
import { findExecutable } from '../../src/deploy/engines.ts';
import { searchBuilder } from '../../src/deploy/kubernetes/builder.ts';
import { dsp, engineImages, kubectl, kubectlJson, newProject, removeProject, sweep } from './cluster.ts';
import { absenceOfRegistry, type Registry, startRegistry } from './registry.ts';

const lacking = await absenceOfRegistry();
const namespace = `dsp-images-${process.pid}`;
const projectName = `pushed-${process.pid}`;
const inNamespace = ['--namespace', namespace];
const requirements = fileURLToPath(new URL('dsp.yaml', import.meta.url));
/** As the builder named them when it began. */
const built: string[] = [];
let builder = '';
let project = '';
let registry: Registry | null = null;

const deployArgs = () => [
  ...['deploy', '--target', 'kubernetes', '--namespace', namespace, '--overcommit', '20', '--json'],
  ...['--registry', registry?.host ?? ''],
];

interface Pod {
  readonly status: {
    readonly phase: string;
    readonly containerStatuses: readonly { readonly image: string; readonly imageID: string }[];
  };
}

/** Notes what was built, for the end. */
async function run(args: readonly string[], env: Record<string, string> = {}) {
  const ran = await dsp(project, args, env);
  const images = [...ran.err.matchAll(/building (\S+) \((\w+)\)/g)];
  built.push(...images.map(([, image = '']) => image));
  return { ...ran, builders: [...new Set(images.map(([, , name = '']) => name))] };
}

describe.skipIf(lacking !== null)(`images in a registry${lacking === null ? '' : ` (skipped: ${lacking})`}`, () => {
  beforeAll(async () => {
    const found = await searchBuilder(process.env.PATH ?? '', new AbortController().signal);
    builder = found.builder?.name ?? '';
    registry = await startRegistry();
    project = await newProject(requirements, ['--set', 'needs=limit-callers', '--set', `name=${projectName}`]);
  }, 300_000);

  afterAll(async () => {
    await sweep(namespace);
    removeProject(project);
    await registry?.stop();
    if (built.length > 0) await execa(builder, ['rmi', ...built], { reject: false });
  }, 180_000);

  it('are built, pushed, and what the pods run', async () => {
    const { exitCode, err, builders } = await run([...deployArgs(), ...engineImages]);
    expect(err).not.toContain('error:');
    expect(exitCode).toBe(0);
    expect(builders).toEqual([builder]);
    const ours = new RegExp(`^${registry?.host}/${projectName}/[a-z-]+:[0-9a-f]{12}$`);
    expect(built).toHaveLength(2);
    for (const image of built) expect(image).toMatch(ours);
    const { items } = await kubectlJson<{ items: readonly Pod[] }>(...inNamespace, 'get', 'pods');
    const containers = items.flatMap(({ status }) => status.containerStatuses);
    const pulled = containers.filter(({ image }) => ours.test(image));
    expect(new Set(pulled.map(({ image }) => image))).toEqual(new Set(built));
    // The node knows them by where it had them from.
    for (const { image, imageID } of pulled) expect(imageID).toContain(`${image.replace(/:[0-9a-f]+$/, '')}@sha256:`);
  });

  it('are not built again when nothing changed', async () => {
    const { exitCode, out, err, builders } = await run(deployArgs());
    expect(err).not.toContain('error:');
    expect(exitCode).toBe(0);
    expect(builders).toEqual([]);
    expect(JSON.parse(out)).toMatchObject({ changes: [] });
  });

  const benchArgs = () => ['bench', '--target', 'kubernetes', '--registry', registry?.host ?? '', '--json'];

  /** How fast it was is the machine's affair: no faults, and no more samples than show that it works. */
  async function bench(...image: readonly string[]) {
    const load = ['--duration', '8', '--warmup', '2', '--seed', '5', '--no-faults'];
    const { exitCode, out, err, builders } = await run([...benchArgs(), ...load, ...image]);
    expect(err).not.toContain('error:');
    const report: Report = JSON.parse(out);
    console.log(`a bench from the registry: ${report.verdict} ${report.reasons.join('; ')}`);
    return { exitCode, builders, report, lost: report.figures.filter(({ failed, dropped }) => failed + dropped > 0) };
  }

  it('has that of a bench too, whose Job runs from it', async () => {
    const first = await bench();
    expect(first.builders).toEqual([builder]);
    const image = built.at(-1) ?? '';
    expect(image).toMatch(new RegExp(`^${registry?.host}/dsp/bench:[0-9a-f]{12}$`));
    // A machine that is busy with something else loses requests, and the bench says that it cannot judge: once more.
    const again = first.exitCode === 98 && first.lost.length > 0;
    const { report, lost } = again ? await bench('--image', `bench=${image}`) : first;
    expect(report).toMatchObject({ target: 'kubernetes', scale: 1, seed: 5, faults: [] });
    expect(report.invariants.filter(({ verdict }) => verdict !== 'held')).toEqual([]);
    expect(report.invariants.length).toBeGreaterThan(2);
    expect(lost).toEqual([]);
    expect(report.figures.find(({ phase }) => phase === 'steady')?.correct).toBeGreaterThan(100);
  });

  it('has nobody who builds it: 4, before dsp is packed', async () => {
    const bin = join(dirname(project), 'bin');
    mkdirSync(bin);
    symlinkSync(findExecutable('kubectl', process.env.PATH ?? '') ?? '', join(bin, 'kubectl'));
    const { exitCode, err } = await run(benchArgs(), { PATH: bin });
    expect(err).toContain('nobody can build bench: neither docker nor buildah is on PATH');
    expect(err).not.toContain('packing');
    expect(exitCode).toBe(4);
  });

  it('leaves nothing in the cluster', async () => {
    const { exitCode, err } = await run(['destroy']);
    expect(err).toMatch(/deleted \d+ resources/);
    expect(exitCode).toBe(0);
    expect(await kubectl('get', 'namespace', namespace, '--ignore-not-found')).toBe('');
  });
});
