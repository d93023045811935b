/** A project's dsp.yaml as Requirements. */

import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { DspError } from '../errors.ts';
import type { Catalogue } from '../pattern.ts';
import { type Answers, requirementsOf } from './assemble.ts';
import { maxBytes } from './document.ts';
import { parseAnswers } from './parse.ts';
import type { Requirements } from './requirements.ts';
import { resolveAnswers } from './resolve.ts';

/** Throws `requirements.unreadable`, `requirements.invalid`. */
export async function readAnswersFile(path: string, catalogue: Catalogue): Promise<Answers> {
  return parseAnswers(decode(path, await readStart(path)), path, catalogue);
}

/** No more than shows that a file is too large: it may be a device or a pipe without an end. */
async function readStart(path: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of createReadStream(path)) {
      chunks.push(chunk as Buffer);
      bytes += (chunk as Buffer).length;
      if (bytes > maxBytes) break;
    }
  } catch (error) {
    throw unreadable(path, (error as Error).message, error);
  }
  return Buffer.concat(chunks);
}

function decode(path: string, bytes: Buffer): string {
  if (bytes.length > maxBytes) throw unreadable(path, `it has more than ${maxBytes} bytes`);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw unreadable(path, 'it is not UTF-8 text', error);
  }
}

function unreadable(path: string, problem: string, cause?: unknown): DspError {
  return new DspError('requirements.unreadable', { path, problem }, { where: path, cause });
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
