import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { encoders } from '../../../src/project/encoders.ts';
import { seededRandom } from '../../../src/random.ts';

const seed = 20_260_417;

/** Characters that mean something to one of the readers. */
const alphabet = [
  ...'ab1 \'"`\\{}[]()<>#!|&*%@~^$;:,.?/=+-_\t\n\r\0',
  ...[
    '\u2028',
    '\u2029',
    '\u0085',
    '\ufeff',
    '\u202e',
    '\u200b',
    'é',
    '漢',
    '😀',
    '\ud800',
    '${',
    '{{',
    '}}',
    '-->',
    '$(',
  ],
  ...[
    '\x1b[31m',
    '---\n',
    '...\n',
    'true',
    'null',
    '~',
    '0x1f',
    '1e3',
    '<<',
    '!!js/function',
    '%YAML',
    "'); evil(); ('",
  ],
];

function texts(count: number): readonly string[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () =>
    Array.from({ length: random.integer(12) }, () => alphabet[random.integer(alphabet.length)]).join(''),
  );
}

const hostile = texts(3000);

function initializerOf(source: string): ts.Expression | undefined {
  const file = ts.createSourceFile('x.ts', source, ts.ScriptTarget.ES2022, true);
  const [statement, ...rest] = file.statements;
  if (rest.length > 0 || !statement || !ts.isVariableStatement(statement)) return undefined;
  return statement.declarationList.declarations[0]?.initializer;
}

describe('encoders that represent every text', () => {
  it('json and yaml give it back', () => {
    for (const text of hostile) {
      expect(JSON.parse(encoders.json(text)), `seed ${seed}`).toBe(text);
      expect(parseYaml(`a: ${encoders.yaml(text)}\nb: 1\n`), `seed ${seed}`).toEqual({ a: text, b: 1 });
      expect(encoders.yaml(text)).not.toMatch(/[^\P{Cc}]|[\u2028\u2029\ufeff\u202e]/u);
    }
  });

  it('ts gives one literal with that text', () => {
    for (const text of hostile) {
      const literal = initializerOf(`const x = ${encoders.ts(text)};`);
      expect(literal && ts.isStringLiteral(literal) && literal.text, `seed ${seed}`).toBe(text);
    }
  });

  it('ts gives objects with hostile keys as data', () => {
    for (const text of hostile.slice(0, 500)) {
      const literal = initializerOf(`const x = ${encoders.ts({ [text]: [text, 1, null] })};`);
      expect(literal && ts.isObjectLiteralExpression(literal) && literal.properties.length, JSON.stringify(text)).toBe(
        1,
      );
    }
    expect(encoders.ts(JSON.parse('{"__proto__": 1}'))).toBe("{ ['__proto__']: 1 }");
  });
});

describe('encoders that refuse', () => {
  const outcome = (encode: () => string) => {
    try {
      return encode();
    } catch (error) {
      expect(error).toMatchObject({ code: 'project.unsafe-value', exitCode: 2 });
      return null;
    }
  };

  it.each([
    ['conf', /^[\w.:/@%+*-]+$/],
    ['env', /^[\w.:/@%+*,=-]*$/],
    ['dockerfile', /^[\w.:/@-]+$/],
  ] as const)('%s writes one plain word or nothing', (name, allowed) => {
    const written = hostile.map((text) => [text, outcome(() => encoders[name](text))]);
    for (const [text, word] of written) {
      if (word === null) continue;
      expect(word).toBe(text);
      expect(word).toMatch(allowed);
    }
    expect(written.filter(([, word]) => word === null).length).toBeGreaterThan(1000);
    expect(encoders[name]('redis-7.0_x')).toBe('redis-7.0_x');
  });

  it('writes numbers as engines read them, and no number that is none', () => {
    expect(encoders.conf(1e21)).toBe('1000000000000000000000');
    expect(encoders.conf(0.5)).toBe('0.5');
    expect(encoders.conf(true)).toBe('yes');
    for (const name of ['json', 'yaml', 'conf', 'env', 'dockerfile', 'ts'] as const) {
      for (const value of [Number.NaN, Number.POSITIVE_INFINITY, undefined, () => 1, Symbol('x')]) {
        expect(
          outcome(() => encoders[name](value)),
          `${name} ${String(value)}`,
        ).toBeNull();
      }
    }
    expect(outcome(() => encoders.markdown({}))).toBeNull();
  });

  it('markdown and mermaid stay on their line, without tags, links or quotes', () => {
    for (const text of hostile) {
      const markdown = outcome(() => encoders.markdown(text));
      if (markdown !== null) {
        expect(markdown).not.toMatch(/[\n\r<>]|(?<!\\)[`*_[\]|]/);
        expect(markdown).not.toMatch(/:\/\/|^[-=+#]|^\d+[.)](\s|$)/);
      }
      const mermaid = outcome(() => encoders.mermaid(text));
      if (mermaid !== null) expect(mermaid).toMatch(/^[\w .,:%×·#;-]*$/);
    }
    expect(encoders.markdown('at 70 %: a_b | <c>')).toBe('at 70 %: a\\_b \\| &lt;c&gt;');
    expect(encoders.mermaid('a "b"')).toBe('a #34;b#34;');
  });
});
