/** Every file of a generated project is read by its real reader, or by the nearest there is. */

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { homedir, tmpdir } from 'node:os';
import { join, posix } from 'node:path';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAllDocuments, parse as parseYaml } from 'yaml';
import { packageRoot } from '../../../src/package-root.ts';
import type { Project } from '../../../src/project/project.ts';
import { writeNewProject } from '../../../src/project/write.ts';
import { linkPackages, renderScenario, scenarios } from './scenarios.ts';

const folder = mkdtempSync(join(tmpdir(), 'dsp-emitted-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const contentOf = (project: Project, path: string) =>
  project.files.find((file) => file.path === path)?.content ?? expect.fail(`${path} is emitted`);

/** Module specifiers of a TypeScript file, static and dynamic. */
function importsOf(path: string, text: string): readonly string[] {
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    const specifier =
      ts.isImportDeclaration(node) || ts.isExportDeclaration(node)
        ? node.moduleSpecifier
        : ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword
          ? node.arguments[0]
          : ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)
            ? node.argument.literal
            : undefined;
    if (specifier && ts.isStringLiteralLike(specifier)) found.push(specifier.text);
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(path, text, ts.ScriptTarget.ES2022, true));
  return found;
}

/** The folder whose package.json a file's dependencies are in. */
const workspaceOf = (path: string) => /^(kit|patterns\/[^/]+\/service)(?=\/)/.exec(path)?.[0] ?? '';

/** What a file may import: node:, its workspace's packages, and files of its own folder or of stacks/. */
function importFault(path: string, specifier: string, project: Project): string | null {
  if (specifier.startsWith('node:')) {
    return builtinModules.includes(specifier.slice(5)) ? null : 'no such module of node';
  }
  const workspace = workspaceOf(path);
  if (specifier.startsWith('.')) {
    const target = posix.join(posix.dirname(path), specifier);
    if (!project.files.some((file) => file.path === target)) return 'no such file';
    const home = workspace || posix.dirname(path);
    const inside = home === '.' || target.startsWith(`${home}/`) || target.startsWith('stacks/');
    return inside ? null : 'leaves its folder';
  }
  const name = specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
  const own = JSON.parse(contentOf(project, posix.join(workspace, 'package.json')));
  const root = JSON.parse(contentOf(project, 'package.json'));
  const isTest = /\.(test|testing)\.ts$|^vitest\.config\.ts$/.test(path);
  const allowed = { ...own.dependencies, ...(isTest ? root.devDependencies : {}), [own.name]: own.version };
  return name in allowed ? null : 'not a dependency of its package.json';
}

describe.each(scenarios)('%s', (name) => {
  let project: Project;
  beforeAll(async () => {
    project = await renderScenario(name);
  });

  it('imports only what it brings along', () => {
    const sources = project.files.filter(({ path }) => /\.(ts|mjs)$/.test(path));
    const faults = sources.flatMap(({ path, content }) =>
      importsOf(path, content).flatMap((specifier) => {
        const dev = path === 'build.mjs' && specifier === 'esbuild';
        const fault = dev ? null : importFault(path, specifier, project);
        return fault === null ? [] : [`${path}: ${specifier}: ${fault}`];
      }),
    );
    expect(sources.length).toBeGreaterThan(30);
    expect(faults).toEqual([]);
  });

  it('has JSON and YAML that are read without a warning', () => {
    for (const { path, content } of project.files) {
      if (path.endsWith('.json')) expect(() => JSON.parse(content), path).not.toThrow();
      if (!/\.ya?ml$/.test(path)) continue;
      const documents = parseAllDocuments(content, { strict: true, uniqueKeys: true });
      expect('empty' in documents, path).toBe(false);
      for (const document of documents) expect([...document.errors, ...document.warnings], path).toEqual([]);
    }
  });

  it('has a Dockerfile a bundle: no root, nothing but the bundle', () => {
    const dockerfiles = project.files.filter(({ path }) => path.endsWith('/Dockerfile'));
    expect(dockerfiles.length).toBeGreaterThan(0);
    for (const { path, content } of dockerfiles) {
      const bundle = path.split('/')[1];
      const steps = content.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
      expect(
        steps.map((line) => line.split(' ')[0]),
        path,
      ).toEqual(['ARG', 'FROM', 'ENV', 'WORKDIR', 'COPY', 'USER', 'STOPSIGNAL', 'ENTRYPOINT']);
      expect(steps).toContain('FROM ${' + 'BASE_IMAGE}');
      expect(steps).toContain(`COPY dist/${bundle}.mjs ./`);
      const uid = Number(/^USER (\d+):\d+$/m.exec(content)?.[1]);
      expect(uid).toBeGreaterThan(0);
      const entrypoint = JSON.parse(steps.at(-1)?.replace('ENTRYPOINT ', '') ?? '');
      expect(entrypoint).toEqual(['node', `/app/${bundle}.mjs`]);
    }
  });

  it('has a README whose tables and fences are whole', () => {
    const lines = contentOf(project, 'README.md').split('\n');
    expect(lines.filter((line) => line.startsWith('```')).length % 2).toBe(0);
    for (const [index, line] of lines.entries()) {
      if (!/^\|[-| ]+\|$/.test(line)) continue;
      const cells = (row: string) => row.replaceAll('\\|', '').split('|').length;
      for (let at = index - 1; lines[at]?.startsWith('|'); at++) expect(cells(lines[at] ?? '')).toBe(cells(line));
    }
  });
});

describe('the type-checker', () => {
  it('takes the whole project', { timeout: 180_000 }, async () => {
    const root = join(folder, 'typed');
    await writeNewProject(root, await renderScenario('quickstart'));
    linkPackages(root);
    const tsc = join(packageRoot(), 'node_modules/typescript/bin/tsc');
    const { stdout, status } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.json'], {
      cwd: root,
      encoding: 'utf8',
    });
    expect(stdout).toBe('');
    expect(status).toBe(0);
  });
});

describe('the CI templates', () => {
  let project: Project;
  beforeAll(async () => {
    project = await renderScenario('quickstart');
  });

  it('are a workflow that actionlint takes', (context) => {
    const actionlint = ['actionlint', join(homedir(), 'go/bin/actionlint')].find(
      (candidate) => spawnSync(candidate, ['-version']).status === 0,
    );
    if (actionlint === undefined) {
      return context.skip('no actionlint: go install github.com/rhysd/actionlint/cmd/actionlint@v1.7.7');
    }
    const lint = (text: string) => spawnSync(actionlint, ['-'], { input: text, encoding: 'utf8' });
    const workflow = contentOf(project, '.github/workflows/dsp.yml');
    expect(lint(workflow).stdout).toBe('');
    expect(lint(workflow.replace('runs-on: ubuntu-latest', 'runs-on: [')).status).not.toBe(0);
    expect(lint(workflow.replace('vars.DSP_PACKAGE', 'vars.DSP_PACKAGE + 1')).status).not.toBe(0);
  });

  const way = ['dsp plan --diff', 'dsp deploy', 'dsp bench --smoke', 'dsp destroy'];

  it('go the whole way on GitHub, and destroy always', () => {
    const { jobs } = parseYaml(contentOf(project, '.github/workflows/dsp.yml'));
    const steps: readonly { run?: string; uses?: string; if?: string; with?: { path?: string } }[] = jobs.verdict.steps;
    const at = way.map((command) => steps.findIndex(({ run }) => run?.includes(command)));
    expect(at).toEqual([...at].sort((a, b) => a - b));
    expect(at).not.toContain(-1);
    expect(steps.filter(({ if: when }) => when === 'always()')).toHaveLength(2);
    expect(steps[at[3] ?? -1]?.if).toBe('always()');
    expect(steps.find(({ uses }) => uses?.startsWith('actions/upload-artifact'))?.with?.path).toContain('report/');
  });

  it('go the whole way on GitLab, and destroy always', () => {
    const ci = parseYaml(contentOf(project, '.gitlab-ci.yml'));
    const { stages, default: defaults, ...jobs } = ci;
    expect(Object.keys(jobs)).toEqual(stages);
    for (const [name, job] of Object.entries<Record<string, unknown>>(jobs)) {
      expect(Object.keys(job), name).toEqual(expect.arrayContaining(['stage', 'script']));
      const known = ['stage', 'script', 'after_script', 'artifacts', 'timeout'];
      expect(
        Object.keys(job).filter((key) => !known.includes(key)),
        name,
      ).toEqual([]);
      expect(stages, name).toContain(job.stage);
      for (const list of [job.script, job.after_script ?? []]) {
        expect(Array.isArray(list) && list.every((line) => typeof line === 'string'), name).toBe(true);
      }
    }
    expect(
      [...jobs.plan.script, ...jobs.verdict.script, ...jobs.verdict.after_script].filter((line) => way.includes(line)),
    ).toEqual(way);
    expect(jobs.verdict.artifacts).toEqual({
      when: 'always',
      paths: ['report/'],
      reports: { junit: 'report/*/junit.xml' },
    });
    expect(defaults.image).toMatch(/^node:\d+-/);
  });

  it('have shell that a shell takes', () => {
    const { jobs } = parseYaml(contentOf(project, '.github/workflows/dsp.yml'));
    const gitlab = parseYaml(contentOf(project, '.gitlab-ci.yml'));
    const scripts = [
      ...jobs.verdict.steps.flatMap(({ run }: { run?: string }) => (run === undefined ? [] : [run])),
      ...gitlab.default.before_script,
      ...gitlab.verdict.script,
    ];
    for (const script of scripts) execFileSync('sh', ['-n'], { input: script });
  });
});

describe('the ignore files', () => {
  it('let git see what is to be committed, and only that', async () => {
    const root = join(folder, 'tracked');
    await writeNewProject(root, await renderScenario('limiter-only'));
    const git = (...args: string[]) => execFileSync('git', args, { cwd: root, encoding: 'utf8' });
    git('init', '-q');
    const ignored = [
      'node_modules/x',
      'dist/x.mjs',
      'report/1/index.html',
      '.dsp/run/x',
      '.dsp/data/x',
      '.dsp/update/x',
    ];
    const seen = ['plan.json', 'dsp.yaml', '.dsp/manifest.json', '.dsp/base/kit/package.json', 'kit/src/kv.ts.dsp-new'];
    const check = (paths: readonly string[]) =>
      spawnSync('git', ['check-ignore', ...paths], { cwd: root, encoding: 'utf8' })
        .stdout.split('\n')
        .filter(Boolean);
    expect(check(ignored)).toEqual(ignored);
    expect(check(seen)).toEqual([]);
    expect(existsSync(join(root, '.gitignore'))).toBe(true);
    expect(readFileSync(join(root, '.dockerignore'), 'utf8')).toBe('*\n!dist/*.mjs\n');
  });
});
