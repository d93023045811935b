/** Hostile texts, and the shape of a file: what is left of it when its literals are taken away. */

import ts from 'typescript';
import { expect } from 'vitest';
import { isMap, isScalar, isSeq, type Node, parseDocument } from 'yaml';
import type { Random } from '../../../src/random.ts';

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

/** One to eight fragments that mean something to some reader. */
export const hostile = (random: Random) =>
  Array.from({ length: 1 + random.integer(8) }, () => fragments[random.integer(fragments.length)]).join('');

/** Whether a property's name is more than a name: `['__proto__']` is one. */
function hasCode(name: ts.PropertyName): boolean {
  return ts.isComputedPropertyName(name) && !ts.isStringLiteral(name.expression);
}

/** The kinds of the syntax tree, depth first; a property's name may be any, written in any way. */
export function shapeOfCode(text: string): string {
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

export function shapeOfYaml(text: string): string {
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
export function shapeOfMarkdown(text: string): string {
  const plain = text.replace(/\\./g, '_');
  return plain
    .split('\n')
    .map((line) => `${/^(#+ |- |\||```|\s*$)/.exec(line)?.[0].trim() ?? 'text'}${line.split('|').length}`)
    .join();
}

/** The first word of every line: a line-based configuration file's keys. */
export function shapeOfLines(text: string): string {
  const firsts = text.split('\n').map((line) => line.split(' ')[0]);
  return firsts.join();
}

/** The shape of a generated file by its name; null for one that holds no answer. */
export function shapeOfFile(path: string, text: string): string | null {
  if (/^(stacks|kit|patterns|\.dsp)\//.test(path) || path === 'plan.json' || path === 'dsp.yaml') return null;
  if (path.endsWith('.ts')) return shapeOfCode(text);
  if (/\.ya?ml$/.test(path)) return shapeOfYaml(text);
  if (path.endsWith('.md')) return shapeOfMarkdown(text);
  if (path.endsWith('.conf')) return shapeOfLines(text);
  if (path.endsWith('/Dockerfile')) return text.replaceAll(/\S+/g, (word) => (/^[A-Z]+$/.test(word) ? word : 'x'));
  return path.endsWith('.json') ? String(Object.keys(JSON.parse(text))) : null;
}
