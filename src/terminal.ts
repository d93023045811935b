/** The only owner of stdout, stderr and the console in src: stdout is data, stderr is for people. */

export interface Terminal {
  /** One line (or block) of data to stdout. */
  out(text: string): void;
  /** One line for people to stderr. */
  note(text: string): void;
  /** One JSON document to stdout. */
  json(document: unknown): void;
  /** Replaces the line last written by `progress` on a terminal; elsewhere writes nothing. */
  progress(text: string): void;
  /** Whether a person can answer: stdin and stderr are terminals. */
  readonly interactive: boolean;
  /** Whether stderr is a terminal, so that progress may redraw. */
  readonly live: boolean;
  /** Aborted by the first Ctrl-C or SIGTERM. Work under way stops what it started, then rejects with `interrupted`. */
  readonly interrupt: AbortSignal;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
}

/** The terminal of this process. */
export function processTerminal(interrupt: AbortSignal): Terminal {
  let drawn = false;
  const clear = () => {
    if (drawn) process.stderr.write('\r\u001b[2K');
    drawn = false;
  };
  const live = process.stderr.isTTY === true;
  return {
    out: (text) => process.stdout.write(`${text}\n`),
    note(text) {
      clear();
      process.stderr.write(`${text}\n`);
    },
    json: (document) => process.stdout.write(`${JSON.stringify(document, null, 2)}\n`),
    progress(text) {
      if (!live) return;
      clear();
      process.stderr.write(text);
      drawn = true;
    },
    interactive: live && process.stdin.isTTY === true,
    live,
    interrupt,
    env: process.env,
    cwd: process.cwd(),
  };
}

/**
 * Calls `listener` when nobody reads stdout any more, as after `| head`. What is written from then on, there or on stderr,
 * goes nowhere: work that has begun is not broken off in its middle.
 */
export function whenUnread(listener: () => void): void {
  const onError = (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  };
  process.stderr.on('error', onError);
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    onError(error);
    listener();
  });
}

/** Where questions are put and answered: on stderr, so that stdout stays data. */
export function questionStreams(): { readonly input: NodeJS.ReadStream; readonly output: NodeJS.WriteStream } {
  return { input: process.stdin, output: process.stderr };
}

/** Columns padded to their widest cell, two spaces apart. */
export function alignColumns(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
