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

/** Every command with the words that lead to it, those of commands before the commands themselves. */
function commandsOf(command: Command, before = ''): readonly { readonly path: string; readonly command: Command }[] {
  return command.commands.flatMap((one) => {
    const path = `${before}${one.name()}`;
    return [...commandsOf(one, `${path} `), { path, command: one }];
  });
}

function bash(program: Command): string {
  const cases = commandsOf(program).map(({ path, command }) => {
    const words = [...command.commands.map((one) => one.name()), ...flagsOf(command)];
    return `    "${path}"|"${path} "*) words="${words.join(' ')}" ;;`;
  });
  const commands = program.commands.map((c) => c.name()).join(' ');
  return `_dsp() {
  local current="\${COMP_WORDS[COMP_CWORD]}" command="" word words
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) ;; *) command="\${command:+$command }$word" ;; esac
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
  const seen = (name: string) => `-n '__fish_seen_subcommand_from ${name}'`;
  const offer = (when: string, { name, description }: { readonly name: string; readonly description: string }) =>
    `complete -c dsp ${when} -a ${name} -d ${quote(description)}`;
  return commandsOf(program)
    .flatMap(({ path, command }) => {
      const [name = '', parent] = path.split(' ').reverse();
      const when = parent === undefined ? '-n __fish_use_subcommand' : seen(parent);
      const flags = command.options.flatMap(({ long, description }) =>
        long ? [`complete -c dsp ${seen(name)} -l ${long.slice(2)} -d ${quote(description)}`] : [],
      );
      return [offer(when, { name, description: command.description() }), ...flags];
    })
    .join('\n');
}
