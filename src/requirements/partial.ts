/** The answers of an interview that was left, kept beside the folder that it was for. */

import { readFile, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { stringify } from 'yaml';
import type { Catalogue, Json } from '../pattern.ts';
import type { Answers } from './assemble.ts';
import { parseAnswers } from './parse.ts';

/** The folder itself is not made before the project is whole. */
export function partialPath(projectDir: string): string {
  return join(dirname(projectDir), `.${basename(projectDir)}.dsp-answers.yaml`);
}

export async function savePartial(path: string, answers: Answers): Promise<void> {
  const tree: Record<string, Json> = {};
  for (const [key, { value, origin }] of answers) {
    const steps = key.split('.');
    const last = steps.pop() ?? key;
    let at: Record<string, Json> = tree;
    for (const step of steps) {
      at[step] ??= {};
      at = at[step] as Record<string, Json>;
    }
    at[last] = origin === 'prior' ? 'unknown' : value;
  }
  await writeFile(path, stringify(tree));
}

/** Null when there are none, or they cannot be read any more. */
export async function loadPartial(path: string, catalogue: Catalogue): Promise<Answers | null> {
  try {
    return parseAnswers(await readFile(path, 'utf8'), path, catalogue);
  } catch {
    return null;
  }
}

export async function forgetPartial(path: string): Promise<void> {
  await rm(path, { force: true });
}
