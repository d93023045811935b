import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { parse as parseYaml } from 'yaml';
import type { Json } from '../../../src/pattern.ts';
import type { Plan } from '../../../src/plan/plan.ts';
import { identifierOf } from '../../../src/project/program.ts';
import type { Project } from '../../../src/project/project.ts';
import { renderProject } from '../../../src/project/render.ts';
import { fakeCatalogue, fakePattern, planOf, requirements } from './plan-fixture.ts';

const contentOf = (project: Project, path: string) =>
  project.files.find((file) => file.path === path)?.content ?? expect.fail(`${path} is there`);

const withParts = (...names: readonly string[]): Plan => {
  const plan = planOf();
  const parts = names.flatMap((name) => planOf(requirements, name).parts);
  const processSets = names.flatMap((name) => planOf(requirements, name).topology.processSets);
  return { ...plan, parts, edges: [], topology: { processSets, jobs: [] } };
};

describe('renderProject', () => {
  it('gives every part its files, sorted and once', async () => {
    const project = await renderProject(planOf(), fakeCatalogue);
    const paths = project.files.map(({ path }) => path);
    expect(paths).toEqual([...new Set(paths)].sort());
    for (const path of ['dsp.yaml', 'plan.json', 'index.ts', '.dsp/manifest.json', '.gitignore', '.gitlab-ci.yml']) {
      expect(paths).toContain(path);
    }
    expect(paths).toContain('parts/fake/topology.ts');
    expect(paths).toContain('docker/fake/Dockerfile');
    const owned = project.files.filter(({ ownership }) => ownership === 'yours').map(({ path }) => path);
    expect(owned).toEqual(['dsp.yaml', 'parts/fake/settings.yaml']);
    expect(parseYaml(contentOf(project, 'parts/fake/settings.yaml'))).toEqual({
      title: 'Limits',
      limits: [{ name: 'default', limit: 100 }],
    });
    expect(contentOf(project, 'parts/fake/service.conf')).toContain('threads 4\nlabel a\n');
  });

  it('lists every file but itself in the manifest', async () => {
    const project = await renderProject(planOf(), fakeCatalogue);
    const manifest = JSON.parse(contentOf(project, '.dsp/manifest.json'));
    const listed = manifest.files.map((file: { path: string }) => file.path);
    expect(listed).toEqual(project.files.map(({ path }) => path).filter((path) => path !== '.dsp/manifest.json'));
    expect(manifest).toMatchObject({ schemaVersion: 1, dspVersion: '1.2.3', requirementsDigest: 'd'.repeat(64) });
  });

  it('has one default async function in index.ts, and nothing that acts on import', async () => {
    const project = await renderProject(withParts('store', 'limiter-store', 'default'), fakeCatalogue);
    const text = contentOf(project, 'index.ts');
    const file = ts.createSourceFile('index.ts', text, ts.ScriptTarget.ES2022, true);
    const [program, ...others] = file.statements.filter((statement) => !ts.isImportDeclaration(statement));
    expect(others).toEqual([]);
    expect(program && ts.isFunctionDeclaration(program)).toBe(true);
    const modifiers = (program as ts.FunctionDeclaration).modifiers?.map(({ kind }) => ts.SyntaxKind[kind]);
    expect(modifiers).toEqual(['ExportKeyword', 'DefaultKeyword', 'AsyncKeyword']);
    expect(text).toContain("const limiterStorePart = new RateLimiter('limiter-store', {");
  });

  it('is the same elsewhere, in another language and at another hour', async () => {
    const first = await renderProject(planOf(), fakeCatalogue);
    const before = { cwd: process.cwd(), LANG: process.env.LANG, TZ: process.env.TZ };
    try {
      process.chdir('/');
      process.env.LANG = 'tr_TR.UTF-8';
      process.env.TZ = 'Pacific/Kiritimati';
      expect(await renderProject(planOf(), fakeCatalogue)).toEqual(first);
    } finally {
      process.chdir(before.cwd);
      process.env.LANG = before.LANG;
      if (before.TZ === undefined) delete process.env.TZ;
      else process.env.TZ = before.TZ;
    }
  });
});

describe('names', () => {
  const unsafe = { code: 'project.unsafe-value', exitCode: 2 };
  const changed = (change: (plan: Json & object) => void): Plan => {
    const plan = structuredClone(planOf());
    change(plan as unknown as Json & object);
    return plan;
  };
  // biome-ignore lint/suspicious/noExplicitAny: each case breaks a plan in one place, against its type.
  const cases: readonly (readonly [string, (plan: any) => void])[] = [
    ['the project', (plan) => Object.assign(plan.requirements, { name: '../x' })],
    ['a part', (plan) => Object.assign(plan.parts[0], { name: 'Store_1' })],
    ['a pattern', (plan) => Object.assign(plan.parts[0], { pattern: '../kit' })],
    ['an unknown pattern', (plan) => Object.assign(plan.parts[0], { pattern: 'unknown' })],
    ['a set', (plan) => Object.assign(plan.topology.processSets[0], { id: 'a;b' })],
    ['a set of the local scale', (plan) => Object.assign(plan.local.topology.processSets[0], { id: '$(x)' })],
    ['a bundle', (plan) => Object.assign(plan.topology.processSets[0].program, { bundle: 'a/../b' })],
    ['an entry', (plan) => Object.assign(plan.topology.processSets[0].program, { entry: '/etc/passwd' })],
    [
      'an image',
      (plan) =>
        Object.assign(plan.topology.processSets[0], { program: { kind: 'engine', program: 'x', image: 'a b' } }),
    ],
    [
      'an engine',
      (plan) =>
        Object.assign(plan.topology.processSets[0], { program: { kind: 'engine', program: '/bin/sh', image: 'a' } }),
    ],
    ['a variable', (plan) => Object.assign(plan.topology.processSets[0].env, { 'A=B': 'x' })],
    ['a reference', (plan) => Object.assign(plan.topology.processSets[0].env, { A: { concat: [{ ownPort: 'a\n' }] } })],
    ['a NUL', (plan) => Object.assign(plan.topology.processSets[0].env, { A: 'a\0b' })],
    ['a file', (plan) => Object.assign(plan.topology.processSets[0].files[0], { path: '../../x' })],
    ['a probe', (plan) => Object.assign(plan.topology.processSets[0].readiness, { path: '/a b' })],
    ['a port', (plan) => Object.assign(plan.topology.processSets[0].ports[0], { name: 'a:b' })],
    ['an edge', (plan) => Object.assign(plan.edges[0], { to: 'x"]' })],
  ];

  it.each(cases)('of %s come from an allow-list', async (_, change) => {
    await expect(renderProject(changed(change), fakeCatalogue)).rejects.toMatchObject(unsafe);
  });

  it.each([
    ['../outside.conf', 'plain names'],
    ['topology.ts', 'a path that no other has'],
  ])('keep %s of a part from being written', async (path, allowed) => {
    const [, conf] = fakePattern.files({ ...planOf().parts[0]!, requirements });
    const pattern = { ...fakePattern, files: () => [{ ...conf!, path }] };
    const failing = renderProject(planOf(), [pattern]);
    await expect(failing).rejects.toThrow(allowed);
  });

  it('become identifiers that are none of the language', () => {
    expect(identifierOf('limiter-store')).toBe('limiterStore');
    expect(identifierOf('a-1')).not.toBe(identifierOf('a1'));
    expect(identifierOf('a--b')).toBe('aB');
  });

  it('are refused when two parts would share an identifier', async () => {
    await expect(renderProject(withParts('a-b', 'a--b'), fakeCatalogue)).rejects.toMatchObject(unsafe);
  });
});
