/**
 * Handlebars, held on a short lead: every value goes through one of the typed encoders, blocks are `each`, `if` and
 * `unless`, and nothing else is accepted. Plain text is what the template says, to the byte.
 */

import Handlebars from 'handlebars';
import { sha256 } from '../digest.ts';
import { DspError } from '../errors.ts';
import { precompiled } from './precompiled.ts';
import { withHelpers } from './template-helpers.ts';

const engine = withHelpers(Handlebars.create());
const compiled = new Map<string, HandlebarsTemplateDelegate>();

/** Renders `source`; `name` (the template's path) appears in errors. Throws `project.unsafe-value` from an encoder. */
export async function renderTemplate(name: string, source: string, values: object): Promise<string> {
  const template = compiled.get(source) ?? (await templateOf(name, source));
  compiled.set(source, template);
  try {
    return template(values);
  } catch (error) {
    if (error instanceof DspError) throw new DspError(error.code, error.params, { where: name, cause: error });
    throw new Error(`${name}: ${(error as Error).message}`, { cause: error });
  }
}

async function templateOf(name: string, source: string): Promise<HandlebarsTemplateDelegate> {
  const specification = precompiled[sha256(source)];
  if (specification !== undefined) return engine.template(specification);
  const { compileTemplate } = await import('./compile-template.ts');
  return compileTemplate(name, source);
}
