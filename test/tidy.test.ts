/** The house rules as tests: layers, owners of time and chance, what src may name, what is tracked. */

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { catalogue } from '../templates/index.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const tracked = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\n')
  .filter((path) => path !== '' && existsSync(join(root, path)));
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const isSource = (path: string) => path.endsWith('.ts') && !path.endsWith('.test.ts');
const sources = tracked.filter((path) => /^(src|stacks|templates)\//.test(path) && isSource(path));
const inSrc = sources.filter((path) => path.startsWith('src/'));

interface Import {
  readonly specifier: string;
  readonly typeOnly: boolean;
}

function parse(path: string, text = read(path)): ts.SourceFile {
  return ts.createSourceFile(path, text, ts.ScriptTarget.ES2022, true);
}

function importsOf(file: ts.SourceFile): readonly Import[] {
  const found: Import[] = [];
  const visit = (node: ts.Node): void => {
    if ((ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) && node.moduleSpecifier) {
      const typeOnly = ts.isImportDeclaration(node) ? (node.importClause?.isTypeOnly ?? false) : node.isTypeOnly;
      found.push({ specifier: (node.moduleSpecifier as ts.StringLiteral).text, typeOnly });
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const [argument] = node.arguments;
      if (argument && ts.isStringLiteral(argument)) found.push({ specifier: argument.text, typeOnly: false });
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

/** Paths relative to the root that a file imports by a relative specifier. */
function localImports(path: string): readonly (Import & { readonly path: string })[] {
  return importsOf(parse(path))
    .filter(({ specifier }) => specifier.startsWith('.'))
    .map((found) => ({ ...found, path: relative(root, resolve(root, dirname(path), found.specifier)) }));
}

/** Later layers may import earlier ones, and their own. */
const layers = [
  ['clock', 'random', 'key-skew', 'digest', 'errors', 'json-document', 'terminal', 'package-root'],
  ['pattern'],
  ['requirements'],
  ['capacity'],
  ['plan'],
  ['project'],
  ['deploy'],
  ['checkers'],
  ['bench'],
  ['commands'],
  ['cli'],
];
const layerOf = (path: string) => {
  const name = path.split('/')[1]?.replace(/\.ts$/, '') ?? '';
  return layers.findIndex((layer) => layer.includes(name));
};

/** The imports of `path` that break the order of the layers; the contract of a pattern may name any stage's types. */
function layerBreaks(path: string, imports: readonly (Import & { readonly path: string })[]): readonly string[] {
  return imports
    .filter((found) => found.path.startsWith('src/'))
    .filter((found) => !found.typeOnly || path !== 'src/pattern.ts')
    .filter((found) => layerOf(found.path) > layerOf(path))
    .map((found) => `${path} → ${found.path}`);
}

describe('layers', () => {
  it('places every file of src', () => {
    expect(inSrc.filter((path) => layerOf(path) < 0)).toEqual([]);
  });

  it('lets data flow one way', () => {
    expect(inSrc.flatMap((path) => layerBreaks(path, localImports(path)))).toEqual([]);
  });

  it('notices a break', () => {
    const backwards = [{ specifier: '../bench/run.ts', typeOnly: true, path: 'src/bench/run.ts' }];
    expect(layerBreaks('src/plan/x.ts', backwards)).toHaveLength(1);
    expect(layerBreaks('src/commands/x.ts', backwards)).toHaveLength(0);
  });

  it('imports the catalogue in commands only', () => {
    const importers = inSrc.filter((path) => localImports(path).some((found) => found.path === 'templates/index.ts'));
    expect(importers.filter((path) => !path.startsWith('src/commands/'))).toEqual([]);
  });

  it('has no cycle of values', () => {
    const graph = new Map(
      sources.map((path) => [
        path,
        localImports(path)
          .filter((i) => !i.typeOnly)
          .map((i) => i.path),
      ]),
    );
    const done = new Set<string>();
    const cycles: string[] = [];
    const visit = (path: string, trail: readonly string[]): void => {
      if (trail.includes(path)) cycles.push([...trail.slice(trail.indexOf(path)), path].join(' → '));
      if (done.has(path) || trail.includes(path)) return;
      for (const next of graph.get(path) ?? []) visit(next, [...trail, path]);
      done.add(path);
    };
    for (const path of graph.keys()) visit(path, []);
    expect(cycles).toEqual([]);
  });

  it('keeps the templates to src/pattern.ts, chance, the generic checkers and capacity', () => {
    const allowed = /^src\/(pattern|random|key-skew)\.ts$|^src\/(checkers|capacity)\//;
    const wrong = sources
      .filter((path) => /^templates\/[^/]+\/[^/]+\.ts$/.test(path))
      .flatMap((path) =>
        localImports(path)
          .filter((i) => i.path.startsWith('src/') && !allowed.test(i.path))
          .map((i) => `${path} → ${i.path}`),
      );
    expect(wrong).toEqual([]);
  });
});

describe('what src names', () => {
  const names = catalogue.flatMap((pattern) => [pattern.id, pattern.need.id]);

  it('is no pattern', () => {
    const wrong = inSrc.flatMap((path) => {
      const found: string[] = [];
      const visit = (node: ts.Node): void => {
        if (ts.isStringLiteralLike(node) && names.some((name) => node.text.includes(name)))
          found.push(`${path}: ${node.text}`);
        ts.forEachChild(node, visit);
      };
      visit(parse(path));
      return found;
    });
    expect(names.length).toBeGreaterThan(3);
    expect(wrong).toEqual([]);
  });
});

/** Calls and members that one file owns, as `object.member` or a bare name. */
function usesOf(path: string, names: readonly string[], text?: string): readonly string[] {
  const found: string[] = [];
  const file = parse(path, text);
  const visit = (node: ts.Node): void => {
    if (ts.isPropertyAccessExpression(node) && names.includes(`${node.expression.getText(file)}.${node.name.text}`)) {
      found.push(`${path}: ${node.getText(file)}`);
    } else if (ts.isPropertyAccessExpression(node) && names.includes(`${node.expression.getText(file)}.*`)) {
      found.push(`${path}: ${node.getText(file)}`);
    } else if (
      ts.isNewExpression(node) &&
      names.includes(`new ${node.expression.getText(file)}()`) &&
      !node.arguments?.length
    ) {
      found.push(`${path}: ${node.getText(file)}`);
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

describe('owners', () => {
  const time = [
    'Date.now',
    'performance.now',
    'performance.timeOrigin',
    'new Date()',
    'process.hrtime',
    'hrtime.bigint',
  ];
  const chance = ['Math.random', 'crypto.randomBytes', 'crypto.randomUUID'];
  const others = (paths: readonly string[], owner: RegExp) => paths.filter((path) => !owner.test(path));

  it.each([
    ['time', time, /^src\/clock\.ts$|^templates\/kit\/src\/clock\.ts$/],
    ['chance', chance, /^src\/random\.ts$|^templates\/kit\/src\/(chance|random)\.ts$/],
  ])('%s has one in src and one in kit', (_, names, owner) => {
    expect(others(sources, owner).flatMap((path) => usesOf(path, names))).toEqual([]);
  });

  it.each([
    ['the exit', ['process.exit', 'process.exitCode'], /^src\/cli\.ts$/],
    ['the console', ['console.*', 'process.stdout', 'process.stderr'], /^src\/terminal\.ts$/],
  ])('%s has one in src', (_, names, owner) => {
    expect(others(inSrc, owner).flatMap((path) => usesOf(path, names))).toEqual([]);
  });

  it('notices a trespass', () => {
    const text = 'console.log(Date.now(), new Date(), new Date(5)); process.exit(1)';
    expect(usesOf('x.ts', ['console.*', 'Date.now', 'new Date()', 'process.exit'], text)).toHaveLength(4);
  });
});

describe('size', () => {
  const maxFileLines = 450;
  const maxFunctionLines = 60;

  it('keeps files and functions short enough to hold in the head', () => {
    const tooLong = sources.flatMap((path) => {
      const file = parse(path);
      const lineOf = (position: number) => file.getLineAndCharacterOfPosition(position).line;
      const found = lineOf(file.end) > maxFileLines ? [`${path}: ${lineOf(file.end)} lines`] : [];
      const visit = (node: ts.Node): void => {
        const lines = lineOf(node.end) - lineOf(node.getStart(file)) + 1;
        if (ts.isFunctionLike(node) && 'body' in node && node.body && lines > maxFunctionLines) {
          found.push(`${path}:${lineOf(node.getStart(file)) + 1}: ${lines} lines`);
        }
        ts.forEachChild(node, visit);
      };
      visit(file);
      return found;
    });
    expect(tooLong).toEqual([]);
  });
});

describe('what is tracked', () => {
  it('is the top level that the design names', () => {
    const top = new Set(tracked.map((path) => path.split('/')[0] ?? ''));
    const allowed = ['package.json', 'package-lock.json', 'tsconfig.json', 'LICENSE', 'README.md'];
    const folders = ['bin', 'src', 'templates', 'stacks', 'test'];
    expect([...top].filter((name) => !name.startsWith('.') && ![...allowed, ...folders].includes(name))).toEqual([]);
  });

  it('names no registry host in the lockfile', () => {
    const hosts = [...read('package-lock.json').matchAll(/"resolved": "(?<url>[a-z+]+:[^"]*)"/g)].map(
      (m) => m.groups?.url,
    );
    expect(hosts).toEqual([]);
  });

  it('has no test that is switched on alone', () => {
    const only = tracked.filter((path) => path.endsWith('.test.ts') && /\b(it|test|describe)\.only\(/.test(read(path)));
    expect(only).toEqual([]);
  });

  it('pins every dependency exactly', () => {
    const manifests = tracked.filter((path) => /(^|\/)package\.json$/.test(path));
    const loose = manifests.flatMap((path) => {
      const manifest = JSON.parse(read(path));
      return Object.entries({ ...manifest.dependencies, ...manifest.devDependencies })
        .filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(String(version)))
        .map(([name, version]) => `${path}: ${name} ${version}`);
    });
    expect(loose).toEqual([]);
  });
});
