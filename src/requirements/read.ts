/** A project's dsp.yaml as Requirements. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DspError } from '../errors.ts';
import type { Catalogue } from '../pattern.ts';
import { type Answers, requirementsOf } from './assemble.ts';
import { parseAnswers } from './parse.ts';
import type { Requirements } from './requirements.ts';
import { resolveAnswers } from './resolve.ts';

/** Throws `requirements.unreadable`, `requirements.invalid`. */
export async function readAnswersFile(path: string, catalogue: Catalogue): Promise<Answers> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw new DspError(
      'requirements.unreadable',
      { path, problem: (error as Error).message },
      { where: path, cause: error },
    );
  }
  try {
    return parseAnswers(new TextDecoder('utf-8', { fatal: true }).decode(bytes), path, catalogue);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new DspError(
      'requirements.unreadable',
      { path, problem: 'it is not UTF-8 text' },
      { where: path, cause: error },
    );
  }
}

/** dsp.yaml of `root`, with `key=value` settings over it. The environment does not count: the file is what is agreed on. */
export async function readProjectRequirements(
  root: string,
  catalogue: Catalogue,
  set: readonly string[] = [],
): Promise<Requirements> {
  const file = await readAnswersFile(join(root, 'dsp.yaml'), catalogue);
  return requirementsOf(await resolveAnswers({ set, env: {}, file, yes: false }, catalogue), catalogue);
}
