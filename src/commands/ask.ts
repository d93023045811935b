/** Puts the interview's questions with inquirer, on stderr: stdout is for data. */

import { styleText } from 'node:util';
import { DspError } from '../errors.ts';
import type { Asker, Prompt } from '../requirements/interview.ts';
import { wrap } from '../requirements/words.ts';

export interface AskStreams {
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
}

export interface Questioner {
  readonly ask: Asker;
  /** A yes or no; Enter is yes. */
  readonly confirm: (message: string) => Promise<boolean>;
}

/**
 * Both reject with `interrupted` when the user presses Ctrl-C or Ctrl-D, the input ends, or `signal` is aborted.
 * Inquirer is loaded here and not before.
 */
export async function inquirerQuestioner(streams: AskStreams, signal: AbortSignal): Promise<Questioner> {
  const { createPromptModule } = await import('inquirer');
  const put = async <T>(question: {
    type: 'input' | 'select' | 'checkbox' | 'confirm';
    message: string;
  }): Promise<T> => {
    const left = leaving(streams.input, signal);
    const prompt = createPromptModule({ ...streams, signal: left.signal } as Parameters<typeof createPromptModule>[0]);
    try {
      const { answer } = await prompt<{ answer: T }>([{ ...question, name: 'answer' }]);
      return answer as T;
    } catch (error) {
      throw isLeaving(error) ? new DspError('interrupted', {}, { cause: error }) : error;
    } finally {
      left.forget();
    }
  };
  return {
    ask: async (prompt) => {
      const answer = await put<string | readonly string[]>(questionOf(prompt));
      return typeof answer === 'string' ? answer : answer.join(',');
    },
    confirm: (message) => put<boolean>({ type: 'confirm', message }),
  };
}

const isLeaving = (error: unknown) =>
  error instanceof Error && ['ExitPromptError', 'AbortPromptError', 'CancelPromptError'].includes(error.name);

function questionOf({ message, feeds, hints, kind, choices, default: preset, check }: Prompt) {
  const below = [`decides ${feeds}`, ...hints].flatMap((line) => wrap(line, 76)).map((line) => `  ${line}`);
  const asked = { message: [message, ...below, ' '].join('\n'), theme };
  const listed = choices.map(({ value, words }) => ({ value, name: words }));
  if (kind === 'one') return { type: 'select' as const, ...asked, choices: listed, default: preset };
  if (kind === 'many') {
    const validate = async (ticked: readonly { readonly value: string }[]) =>
      ticked.length === 0
        ? 'tick at least one with the space bar'
        : ((await check(ticked.map(({ value }) => value).join(','))) ?? true);
    return { type: 'checkbox' as const, ...asked, choices: listed, validate };
  }
  return {
    type: 'input' as const,
    ...asked,
    default: preset,
    validate: async (text: string) => (await check(text)) ?? true,
  };
}

/** Once answered, a question is one line. */
const theme = {
  style: {
    message(text: string, status: 'idle' | 'done' | 'loading') {
      const [question = '', ...rest] = text.split('\n');
      const asked = styleText('bold', question);
      return status === 'done' ? asked : [asked, ...rest.map((line) => styleText('dim', line))].join('\n');
    },
  },
};

/** Inquirer would wait for ever once its input has ended, which Ctrl-D means on a terminal. */
function leaving(input: NodeJS.ReadableStream, signal: AbortSignal): { signal: AbortSignal; forget: () => void } {
  const controller = new AbortController();
  const leave = () => controller.abort();
  const onKey = (_: unknown, key?: { readonly name?: string; readonly ctrl?: boolean }) => {
    if (key?.ctrl === true && key.name === 'd') leave();
  };
  input.on('keypress', onKey);
  input.on('end', leave);
  signal.addEventListener('abort', leave);
  if (signal.aborted) leave();
  return {
    signal: controller.signal,
    forget() {
      input.removeListener('keypress', onKey);
      input.removeListener('end', leave);
      signal.removeEventListener('abort', leave);
    },
  };
}
