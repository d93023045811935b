/** Thousands of hostile answers: each is refused, or changes literals only. */

import ts from 'typescript';
import { expect, it } from 'vitest';
import { isMap, isScalar, isSeq, type Node, parseDocument } from 'yaml';
import { DspError } from '../../../src/errors.ts';
import type { Json } from '../../../src/pattern.ts';
import type { Project } from '../../../src/project/project.ts';
import { renderProject } from '../../../src/project/render.ts';
import { type Random, seededRandom } from '../../../src/random.ts';
import { fakeCatalogue, planOf, requirements } from './plan-fixture.ts';

const seed = 4;
const rounds = 2000;

const fragments = [
  ...'abc 019_-.:/@%+*,=\'"`\\{}[]()<>#!|&~^$;?\n\r\t\0',
  ...[
    '{{x}}',
    '{{{x}}}',
    '$' + '{x}',
    '$(x)',
    '`id`',
    "'; process.exit(1); '",
    '*/',
    '/*',
    '//',
    '-->',
    '<script>',
    '\\u0027',
  ],
  ...[
    '\u2028',
    '\u2029',
    '\u0085',
    '\ufeff',
    '\u202e',
    '\ud800',
    '漢',
    '😀',
    '\x1b[2J',
    'é',
    '\n---\n',
    '\n- x: y\n',
    ': ',
    ' #',
  ],
  ...[
    'null',
    'true',
    '~',
    '1e9',
    '0x1',
    'yes',
    '<<: *a',
    '&a ',
    '!!binary ',
    '%TAG',
    '__proto__',
    'constructor',
    '\n```\n',
  ],
  ...[
    '![x](http://x)',
    '[x](javascript:x)',
    '| --- |',
    '"]\nclick p0 "x"',
    'RUN rm -rf /',
    '\nRUN x',
    '\nrequirepass x',
    "' OR 1=1 --",
  ],
];

const hostile = (random: Random) =>
  Array.from({ length: 1 + random.integer(8) }, () => fragments[random.integer(fragments.length)]).join('');

function hostilePlan(random: Random) {
  const label = random.integer(3) === 0 ? hostile(random) : 'plain';
  const name = random.integer(20) === 0 ? hostile(random) : 'shop';
  const part = random.integer(20) === 0 ? hostile(random) : 'fake';
  const limits = [{ name: hostile(random), limit: random.integer(10) === 0 ? Number.NaN : random.integer(1e6) }];
  const options: Record<string, Json> = { title: hostile(random), label, limits };
  if (random.integer(4) === 0) {
    // Whole numbers come first in an object, whatever their place.
    const key = hostile(random).replace(/^\d+$/, 'n$&');
    Object.defineProperty(options, key, { value: hostile(random), enumerable: true });
  }
  return planOf({ ...requirements, name, options: { 'limit-callers': options } }, part);
}

/** Whether a property's name is more than a name: `['__proto__']` is one. */
function hasCode(name: ts.PropertyName): boolean {
  return ts.isComputedPropertyName(name) && !ts.isStringLiteral(name.expression);
}

/** The kinds of the syntax tree, depth first; a property's name may be any, written in any way. */
function shapeOfCode(text: string): string {
  const file = ts.createSourceFile('x.ts', text, ts.ScriptTarget.ES2022, true);
  const { parseDiagnostics } = file as unknown as { parseDiagnostics: readonly ts.Diagnostic[] };
  expect(parseDiagnostics.map(({ messageText }) => messageText)).toEqual([]);
  const kinds: string[] = [];
  const visit = (node: ts.Node): void => {
    const isSign = ts.isPrefixUnaryExpression(node) && ts.isNumericLiteral(node.operand);
    kinds.push(isSign ? 'NumericLiteral' : (ts.SyntaxKind[node.kind] ?? '?'));
    if (ts.isPropertyAssignment(node) && !hasCode(node.name)) visit(node.initializer);
    else if (!isSign) ts.forEachChild(node, visit);
  };
  visit(file);
  return kinds.join(' ');
}

function shapeOfYaml(text: string): string {
  const document = parseDocument(text);
  expect(document.errors).toEqual([]);
  const shape = (node: Node | null): string => {
    if (isMap(node)) return `{${node.items.map(({ key, value }) => `${String(key)}:${shape(value as Node)}`).join()}}`;
    if (isSeq(node)) return `[${node.items.map((item) => shape(item as Node)).join()}]`;
    return isScalar(node) ? typeof node.value : 'none';
  };
  return shape(document.contents);
}

/** Markdown's blocks: each line's leading mark, fences, and the number of a table row's cells. */
function shapeOfMarkdown(text: string): string {
  const plain = text.replace(/\\./g, '_');
  return plain
    .split('\n')
    .map((line) => `${/^(#+ |- |\||```|\s*$)/.exec(line)?.[0].trim() ?? 'text'}${line.split('|').length}`)
    .join();
}

const shapes: readonly (readonly [string, (text: string) => string])[] = [
  ['index.ts', shapeOfCode],
  ['parts/fake/topology.ts', shapeOfCode],
  ['parts/fake/settings.yaml', shapeOfYaml],
  ['Pulumi.yaml', shapeOfYaml],
  ['README.md', shapeOfMarkdown],
  ['docker/fake/Dockerfile', (text) => text.replaceAll(/\S+/g, (found) => (/^[A-Z]+$/.test(found) ? found : 'x'))],
  [
    'parts/fake/service.conf',
    (text) =>
      text
        .split('\n')
        .map((line) => line.split(' ')[0])
        .join(),
  ],
  ['package.json', (text) => String(Object.keys(JSON.parse(text)))],
];

/** The shape of every file that answers reach. */
function shapeOf(project: Project): Record<string, string> {
  return Object.fromEntries(
    shapes.map(([path, shape]) => [path, shape(project.files.find((file) => file.path === path)?.content ?? '')]),
  );
}

it('refuses a hostile answer, or changes literals only', { timeout: 120_000 }, async () => {
  const random = seededRandom(seed);
  const expected = new Map<number, Record<string, string>>();
  const optionCount = (plan: ReturnType<typeof planOf>) =>
    Object.keys(plan.requirements.options['limit-callers'] ?? {}).length;
  const calm = async (count: number) => {
    const options: Record<string, Json> = { title: 'x', label: 'x', limits: [{ name: 'x', limit: 1 }] };
    for (let index = 3; index < count; index++) options[`extra${index}`] = 'x';
    return shapeOf(
      await renderProject(planOf({ ...requirements, options: { 'limit-callers': options } }), fakeCatalogue),
    );
  };
  const outcomes = { refused: 0, rendered: 0 };
  for (let round = 0; round < rounds; round++) {
    const plan = hostilePlan(random);
    const project = await renderProject(plan, fakeCatalogue).catch((error: unknown) => {
      if (error instanceof DspError && error.code === 'project.unsafe-value') return null;
      throw new Error(`seed ${seed}, round ${round}`, { cause: error });
    });
    outcomes[project === null ? 'refused' : 'rendered']++;
    if (project === null) continue;
    const count = optionCount(plan);
    const wanted = expected.get(count) ?? (await calm(count));
    expected.set(count, wanted);
    expect(shapeOf(project), `seed ${seed}, round ${round}: ${JSON.stringify(plan.requirements.options)}`).toEqual(
      wanted,
    );
  }
  expect(outcomes.refused).toBeGreaterThan(rounds / 20);
  expect(outcomes.rendered).toBeGreaterThan(rounds / 20);
});
