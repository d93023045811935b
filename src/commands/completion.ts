/** `dsp completion`: scripts that complete commands and flags, made from the program's own declaration. */

import type { Command } from 'commander';
import { DspError, type ExitCode } from '../errors.ts';
import type { Terminal } from '../terminal.ts';

export interface CompletionOptions {
  readonly shell: string;
  readonly program: Command;
}

const printers: Readonly<Record<string, (program: Command) => string>> = { bash, zsh, fish };

export async function runCompletion(options: CompletionOptions, terminal: Terminal): Promise<0 | ExitCode> {
  const print = Object.hasOwn(printers, options.shell) ? printers[options.shell] : undefined;
  if (print === undefined) {
    throw new DspError('input.choice', { key: 'shell', given: options.shell, choices: Object.keys(printers) });
  }
  terminal.out(print(options.program));
  return 0;
}

function flagsOf(command: Command): readonly string[] {
  return [...command.options.flatMap((option) => (option.long ? [option.long] : [])), '--help'];
}

function bash(program: Command): string {
  const cases = program.commands.map((c) => `    ${c.name()}) words="${flagsOf(c).join(' ')}" ;;`);
  const commands = program.commands.map((c) => c.name()).join(' ');
  return `_dsp() {
  local current="\${COMP_WORDS[COMP_CWORD]}" command="" word words
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) ;; *) command="$word"; break ;; esac
  done
  case "$command" in
    "") words="${commands} ${flagsOf(program).join(' ')}" ;;
${cases.join('\n')}
    *) words="" ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -o default -F _dsp dsp`;
}

function zsh(program: Command): string {
  return `#compdef dsp\nautoload -U +X bashcompinit && bashcompinit\n${bash(program)}`;
}

function fish(program: Command): string {
  const quote = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  return program.commands
    .flatMap((command) => [
      `complete -c dsp -n __fish_use_subcommand -a ${command.name()} -d ${quote(command.description())}`,
      ...command.options.flatMap((option) =>
        option.long
          ? [
              `complete -c dsp -n '__fish_seen_subcommand_from ${command.name()}' -l ${option.long.slice(2)} -d ${quote(option.description)}`,
            ]
          : [],
      ),
    ])
    .join('\n');
}
