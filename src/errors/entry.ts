/** What every entry of the catalogue of errors says. */

/** 0 done or pass is no error. */
export type ExitCode = 1 | 2 | 3 | 4 | 5 | 98 | 99 | 130;

export interface Entry<P> {
  readonly exitCode: ExitCode;
  /** One sentence for README's table. */
  readonly meaning: string;
  readonly what: (params: P) => string;
  readonly mend: (params: P) => string;
}

export function entry<P = Record<string, never>>(definition: Entry<P>): Entry<P> {
  return definition;
}

/** The last lines of a log, indented below the sentence. */
export function quote(lines: readonly string[]): string {
  return lines.length === 0 ? '' : `\n${lines.map((line) => `  | ${line}`).join('\n')}`;
}
