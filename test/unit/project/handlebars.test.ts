import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type Handlebars from 'handlebars';
import { describe, expect, it } from 'vitest';
import { DspError } from '../../../src/errors.ts';
import { packageRoot } from '../../../src/package-root.ts';
import { compileTemplate, precompileTemplate, templateFaults } from '../../../src/project/compile-template.ts';
import { renderTemplate } from '../../../src/project/handlebars.ts';
import { withHelpers } from '../../../src/project/template-helpers.ts';

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
  ])('finds the fault in %s', async (source) => {
    expect(templateFaults(source)).not.toEqual([]);
    await expect(renderTemplate('x.hbs', source, { a: 1, name: 'x' })).rejects.toThrow('x.hbs');
    expect(() => precompileTemplate('x.hbs', source)).toThrow('x.hbs');
  });

  it('takes encoders, each, if, unless, else and comments', async () => {
    const source =
      '{{! said }}{{#each a}}{{json this}}{{/each}}{{#if b}}x{{else}}{{yaml c.d}}{{/if}}{{#unless b}}y{{/unless}}';
    expect(templateFaults(source)).toEqual([]);
    expect(await renderTemplate('x.hbs', source, { a: [1, 2], b: false, c: { d: 'z' } })).toBe('12"z"y');
  });
});

describe('renderTemplate', () => {
  it('fails on a value that is missing', async () => {
    for (const source of ['{{json absent}}', '{{#if absent}}{{/if}}', '{{#each a.absent}}{{/each}}']) {
      await expect(renderTemplate('x.hbs', source, { a: {} })).rejects.toThrow(/x\.hbs.*(missing|absent)/);
    }
  });

  it('names the template in a refusal', async () => {
    await expect(
      renderTemplate('x.conf.hbs', 'maxmemory {{conf memory}}', { memory: '1\nrequirepass x' }),
    ).rejects.toThrow(expect.objectContaining({ code: 'project.unsafe-value', where: 'x.conf.hbs' }));
  });
});

describe('a template that was compiled when dsp was built', () => {
  const source = '{{#each a}}{{json this}} {{/each}}{{#if b}}x{{else}}{{yaml c}}{{/if}}\n{{#unless b}}y{{/unless}}\n';
  // What the bundled command holds: an expression, run by Handlebars' runtime alone.
  const runtime: typeof Handlebars = createRequire(import.meta.url)('handlebars/runtime');
  const engine = withHelpers(runtime.create());
  const shipped = (template: string) => engine.template(new Function(`return ${precompileTemplate('x', template)}`)());

  it('says the same as one that is compiled now', () => {
    const values = { a: [1, 'é\n"', true], b: false, c: 'no: yes' };
    expect(shipped(source)(values)).toBe(compileTemplate('x', source)(values));
  });

  it('fails on the same values', () => {
    for (const each of ['{{json absent}}', '{{#if absent}}{{/if}}', '{{#each a.absent}}{{/each}}']) {
      expect(() => shipped(each)({ a: {} })).toThrow(/missing|absent/);
    }
    expect(() => shipped('{{conf a}}')({ a: '1\nrequirepass x' })).toThrow(DspError);
  });
});
