/**
 * Handlebars, held on a short lead: every value goes through one of the typed encoders, blocks are `each`, `if` and
 * `unless`, and nothing else is accepted. Plain text is what the template says, to the byte.
 */

import Handlebars from 'handlebars';
import { DspError } from '../errors.ts';
import { encoders } from './encoders.ts';

const blocks = ['each', 'if', 'unless'];
const engine = Handlebars.create();
for (const [name, encode] of Object.entries(encoders)) {
  engine.registerHelper(name, (value: unknown) => encode(present(name, value)));
}
// Handlebars' strict mode lets a missing value through as an argument; a block would take it for false.
for (const name of blocks) {
  const block = engine.helpers[name] as Handlebars.HelperDelegate;
  engine.registerHelper(name, function (this: unknown, value: unknown, options: Handlebars.HelperOptions) {
    return block.call(this, present(name, value), options);
  });
}
const compiled = new Map<string, HandlebarsTemplateDelegate>();

/** Renders `source`; `name` (the template's path) appears in errors. Throws `project.unsafe-value` from an encoder. */
export function renderTemplate(name: string, source: string, values: object): string {
  const template = compiled.get(source) ?? compile(name, source);
  compiled.set(source, template);
  try {
    return template(values);
  } catch (error) {
    if (error instanceof DspError) throw new DspError(error.code, error.params, { where: name, cause: error });
    throw new Error(`${name}: ${(error as Error).message}`, { cause: error });
  }
}

function compile(name: string, source: string): HandlebarsTemplateDelegate {
  const parsed = Handlebars.parse(source);
  const faults = faultsOf(parsed);
  if (faults.length > 0) throw new Error(`${name}: ${faults.join('; ')}`);
  const known = Object.fromEntries([...Object.keys(encoders), ...blocks].map((helper) => [helper, true]));
  return engine.compile(parsed, {
    noEscape: true,
    strict: true,
    preventIndent: true,
    knownHelpers: known,
    knownHelpersOnly: true,
  });
}

function present(name: string, value: unknown): unknown {
  if (value === undefined) throw new Error(`${name} of a value that is missing`);
  return value;
}

/** What the template does beside encoding values, looping and choosing; empty when nothing. */
export function templateFaults(source: string): readonly string[] {
  return faultsOf(Handlebars.parse(source));
}

function faultsOf(parsed: hbs.AST.Program): readonly string[] {
  const faults: string[] = [];
  visit(parsed, faults);
  return faults;
}

function visit(program: hbs.AST.Program, faults: string[]): void {
  for (const statement of program.body) {
    const at = `line ${statement.loc.start.line}`;
    if (statement.type === 'MustacheStatement') checkMustache(statement as hbs.AST.MustacheStatement, at, faults);
    else if (statement.type === 'BlockStatement') checkBlock(statement as hbs.AST.BlockStatement, at, faults);
    else if (statement.type !== 'ContentStatement' && statement.type !== 'CommentStatement') {
      faults.push(`${at}: ${statement.type} is not allowed`);
    }
  }
}

function checkMustache(mustache: hbs.AST.MustacheStatement, at: string, faults: string[]): void {
  const name = (mustache.path as hbs.AST.PathExpression).original;
  if (!mustache.escaped) faults.push(`${at}: a raw value ({{{ or {{&) is not allowed`);
  if (!Object.hasOwn(encoders, String(name))) faults.push(`${at}: ${String(name)} goes in without an encoder`);
  if (mustache.params.length !== 1) faults.push(`${at}: an encoder takes one value`);
  if (mustache.hash && mustache.hash.pairs.length > 0) faults.push(`${at}: an encoder takes no options`);
  checkPaths(mustache.params, at, faults);
}

function checkBlock(block: hbs.AST.BlockStatement, at: string, faults: string[]): void {
  const name = String(block.path.original);
  if (!blocks.includes(name)) faults.push(`${at}: block ${name} is not one of ${blocks.join(', ')}`);
  if (block.params.length !== 1) faults.push(`${at}: a block takes one value`);
  checkPaths(block.params, at, faults);
  if (block.program) visit(block.program, faults);
  if (block.inverse) visit(block.inverse, faults);
}

function checkPaths(params: readonly hbs.AST.Expression[], at: string, faults: string[]): void {
  for (const param of params) {
    if (param.type !== 'PathExpression') faults.push(`${at}: ${param.type} instead of a value's name`);
  }
}
