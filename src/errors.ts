/**
 * The catalogue of errors: what happened, where, and the command that mends it. An error is a code and its
 * parameters; README's table lists the codes, and a test holds the two together.
 */

/** 0 done or pass is no error. */
export type ExitCode = 1 | 2 | 3 | 4 | 5 | 98 | 99 | 130;

interface Entry<P> {
  readonly exitCode: ExitCode;
  /** One sentence for README's table. */
  readonly meaning: string;
  readonly what: (params: P) => string;
  readonly mend: (params: P) => string;
}

function entry<P = Record<string, never>>(definition: Entry<P>): Entry<P> {
  return definition;
}

export const catalogue = {
  // requirements: src/requirements
  'input.missing': entry<{ keys: readonly string[] }>({
    exitCode: 2,
    meaning: 'Answers are missing and nobody can be asked.',
    what: ({ keys }) => `these answers are missing: ${keys.join(', ')}`,
    mend: ({ keys }) =>
      `give them with ${keys.map((key) => `--set ${key}=…`).join(' ')}, or take the defaults with --yes`,
  }),

  // plan: src/plan

  // project: src/project

  // deploy: src/deploy

  // bench: src/bench

  // every command
  'input.no-project': entry<{ dir: string }>({
    exitCode: 2,
    meaning: 'The command works on a project, and there is none here.',
    what: ({ dir }) => `no dsp.yaml in ${dir} or above`,
    mend: () => 'make a project with `dsp new`, or name one with -C DIR',
  }),
  'input.choice': entry<{ key: string; given: string; choices: readonly string[] }>({
    exitCode: 2,
    meaning: 'A value is not one of those on offer.',
    what: ({ key, given, choices }) => `${key} is ${JSON.stringify(given)}; it can be ${choices.join(', ')}`,
    mend: ({ choices }) => `give one of ${choices.join(', ')}`,
  }),
  interrupted: entry({
    exitCode: 130,
    meaning: 'Ctrl-C, or SIGTERM.',
    what: () => 'interrupted',
    mend: () => 'run the same command again',
  }),
};

export type ErrorCode = keyof typeof catalogue;
export type ErrorParams<C extends ErrorCode> = Parameters<(typeof catalogue)[C]['what']>[0];

/** An expected failure. `where` is a file with its line, a key, or a process; absent when the whole command is meant. */
export class DspError<C extends ErrorCode = ErrorCode> extends Error {
  readonly code: C;
  readonly params: ErrorParams<C>;
  readonly where: string | undefined;
  readonly exitCode: ExitCode;

  constructor(code: C, params: ErrorParams<C>, options: { where?: string; cause?: unknown } = {}) {
    const found = catalogue[code] as unknown as Entry<ErrorParams<C>>;
    super(found.what(params), options.cause === undefined ? {} : { cause: options.cause });
    this.name = 'DspError';
    this.code = code;
    this.params = params;
    this.where = options.where;
    this.exitCode = found.exitCode;
  }

  get mend(): string {
    return (catalogue[this.code] as unknown as Entry<ErrorParams<C>>).mend(this.params);
  }
}

/** The error as people read it: what, where, and the command that mends it. */
export function describeError(error: DspError): string {
  const where = error.where === undefined ? '' : `\n  where: ${error.where}`;
  return `error: ${error.message} [${error.code}]${where}\n  mend:  ${error.mend}`;
}
