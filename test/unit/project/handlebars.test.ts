import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../../src/package-root.ts';
import { renderTemplate, templateFaults } from '../../../src/project/handlebars.ts';

const folder = join(packageRoot(), 'templates');
const templates = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
  (path) => path.endsWith('.hbs') && !path.includes('node_modules'),
);

describe('every template', () => {
  it('is found', () => expect(templates).toContain('project/package.json.hbs'));

  it.each(templates)('%s lets values in through encoders only', (path) => {
    expect(templateFaults(readFileSync(join(folder, path), 'utf8'))).toEqual([]);
  });
});

describe('templateFaults', () => {
  it.each([
    '{{name}}',
    '{{{json name}}}',
    '{{&json name}}',
    '{{json}}',
    '{{json a b}}',
    '{{json a=b}}',
    '{{json (lookup a b)}}',
    '{{json "text"}}',
    '{{lookup a b}}',
    '{{> partial}}',
    '{{#with a}}{{json b}}{{/with}}',
    '{{#each a}}{{this}}{{/each}}',
    '{{#if a}}{{else}}{{a}}{{/if}}',
    '{{#if (eq a b)}}{{/if}}',
    '{{#*inline "x"}}{{/inline}}',
    '{{toString a}}',
    '{{__proto__ a}}',
  ])('finds the fault in %s', (source) => {
    expect(templateFaults(source)).not.toEqual([]);
    expect(() => renderTemplate('x.hbs', source, { a: 1, name: 'x' })).toThrow('x.hbs');
  });

  it('takes encoders, each, if, unless, else and comments', () => {
    const source =
      '{{! said }}{{#each a}}{{json this}}{{/each}}{{#if b}}x{{else}}{{yaml c.d}}{{/if}}{{#unless b}}y{{/unless}}';
    expect(templateFaults(source)).toEqual([]);
    expect(renderTemplate('x.hbs', source, { a: [1, 2], b: false, c: { d: 'z' } })).toBe('12"z"y');
  });
});

describe('renderTemplate', () => {
  it('fails on a value that is missing', () => {
    for (const source of ['{{json absent}}', '{{#if absent}}{{/if}}', '{{#each a.absent}}{{/each}}']) {
      expect(() => renderTemplate('x.hbs', source, { a: {} })).toThrow(/x\.hbs.*(missing|absent)/);
    }
  });

  it('names the template in a refusal', () => {
    expect(() => renderTemplate('x.conf.hbs', 'maxmemory {{conf memory}}', { memory: '1\nrequirepass x' })).toThrow(
      expect.objectContaining({ code: 'project.unsafe-value', where: 'x.conf.hbs' }),
    );
  });
});
