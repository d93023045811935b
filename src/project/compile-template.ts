/**
 * Reads a template and makes code of it, after it has been seen to be of the short form. What ships has been through this
 * when it was built: Handlebars' parser and compiler take longer than all the rest of writing a project.
 */

import Handlebars from 'handlebars';
import { encoders } from './encoders.ts';
import { blocks, withHelpers } from './template-helpers.ts';

const engine = withHelpers(Handlebars.create());
const options: CompileOptions = {
  noEscape: true,
  strict: true,
  preventIndent: true,
  knownHelpers: Object.fromEntries([...Object.keys(encoders), ...blocks].map((helper) => [helper, true])),
  knownHelpersOnly: true,
};

/** Throws for a template that is not of the short form; `name` (its path) appears in the error. */
export function compileTemplate(name: string, source: string): HandlebarsTemplateDelegate {
  return engine.compile(parsed(name, source), options);
}

/** The same as JavaScript: an expression that gives what Handlebars' runtime takes. */
export function precompileTemplate(name: string, source: string): string {
  return String(engine.precompile(parsed(name, source), options));
}

function parsed(name: string, source: string): hbs.AST.Program {
  const program = Handlebars.parse(source);
  const faults = faultsOf(program);
  if (faults.length > 0) throw new Error(`${name}: ${faults.join('; ')}`);
  return program;
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
