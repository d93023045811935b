/** The answers of an interview that was left, kept until the project is written. */

import { existsSync } from 'node:fs';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { stringify } from 'yaml';
import type { Catalogue, Json } from '../pattern.ts';
import type { Answers } from './assemble.ts';
import { parseAnswers } from './parse.ts';

/**
 * Beside the project's folder, which must stay empty until the project is whole: in the nearest folder above that there
 * is. `root` null: the project has no name yet, so in `cwd`.
 */
export function partialPath(root: string | null, cwd: string): string {
  if (root === null) return join(cwd, '.dsp-answers.yaml');
  let above = dirname(root);
  while (!existsSync(above) && dirname(above) !== above) above = dirname(above);
  return join(above, `.dsp-answers-${relative(above, root).replaceAll(/[\\/]/g, '-')}.yaml`);
}

/** The whole file or none. Rejects when the folder cannot be written. */
export async function savePartial(path: string, answers: Answers): Promise<void> {
  await writeFile(`${path}.part`, stringify(treeOf(answers)));
  await rename(`${path}.part`, path);
}

function treeOf(answers: Answers): Record<string, Json> {
  const tree: Record<string, Json> = {};
  for (const [key, { value, origin }] of answers) {
    const steps = key.split('.');
    const last = steps.pop() ?? key;
    let at: Record<string, Json> = tree;
    for (const step of steps) {
      at[step] ??= {};
      at = at[step] as Record<string, Json>;
    }
    at[last] = origin === 'prior' && steps.length > 0 ? 'unknown' : value;
  }
  return tree;
}

/** Null when there are none, or they cannot be read any more. */
export async function loadPartial(path: string, catalogue: Catalogue): Promise<Answers | null> {
  try {
    const answers = parseAnswers(await readFile(path, 'utf8'), path, catalogue);
    return answers.size === 0 ? null : answers;
  } catch {
    return null;
  }
}

export async function forgetPartial(path: string): Promise<void> {
  await rm(path, { force: true });
}
