/** `dsp patterns`: the catalogue. */

import { catalogue } from '../../templates/index.ts';
import type { ExitCode } from '../errors.ts';
import type { Terminal } from '../terminal.ts';

export interface PatternsOptions {
  readonly json: boolean;
}

export async function runPatterns(options: PatternsOptions, terminal: Terminal): Promise<0 | ExitCode> {
  const patterns = catalogue.map(({ id, title, need, provides, questions }) => ({
    id,
    title,
    need,
    provides,
    questions: questions.map(({ key, ask, feeds }) => ({ key: `options.${need.id}.${key}`, ask, feeds })),
  }));
  if (options.json) terminal.json({ schemaVersion: 1, patterns });
  else
    for (const { id, need, title } of patterns)
      terminal.out(`${id.padEnd(20)}${need.id.padEnd(20)}${title}: ${need.words}`);
  return 0;
}
