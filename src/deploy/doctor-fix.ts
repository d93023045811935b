/** Installing engines from Debian's or Ubuntu's packages without leaving a system daemon behind. */

import { execa } from 'execa';
import type { Alternative } from './engines.ts';

/**
 * Arguments: package, least version, unit; any number of times. Installs the first package whose candidate is new
 * enough. A package that was not there before is kept from starting its daemon, now and at the next boot; one that was
 * there keeps what its administrator chose.
 */
const installScript = `
set -eu
policy=/usr/sbin/policy-rc.d
candidate() { apt-cache policy "$1" | sed -n 's/^  Candidate: //p'; }
is_candidate() {
  version=$(candidate "$1")
  [ -n "$version" ] && [ "$version" != '(none)' ] && dpkg --compare-versions "\${version#*:}" ge "$2"
}
choose() {
  while [ $# -gt 0 ]; do
    if is_candidate "$1" "$2"; then package=$1 unit=$3; return 0; fi
    shift 3
  done
  return 1
}
was_installed() { dpkg-query -W -f '\${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed; }
install() { DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$package"; }
install_fresh() { install || { apt-get update && install; }; }
deny_start() {
  [ -e "$policy" ] && [ ! -e "$policy.dsp-saved" ] && mv "$policy" "$policy.dsp-saved"
  printf '#!/bin/sh\\nexit 101\\n' >"$policy"
  chmod 755 "$policy"
}
allow_start() {
  rm -f "$policy"
  [ ! -e "$policy.dsp-saved" ] || mv "$policy.dsp-saved" "$policy"
}
forbid_daemon() {
  if command -v systemctl >/dev/null; then systemctl disable "$unit" || true; fi
  if command -v update-rc.d >/dev/null; then update-rc.d "$unit" disable || true; fi
}

choose "$@" || { apt-get update && choose "$@"; } || { echo "no package of this system is new enough" >&2; exit 1; }
if was_installed "$package"; then
  install_fresh
  exit
fi
trap allow_start EXIT
trap 'exit 130' INT TERM
deny_start
install_fresh
forbid_daemon
if service "$unit" status >/dev/null 2>&1; then
  service "$unit" stop
  if service "$unit" status >/dev/null 2>&1; then echo "$unit runs as a system daemon and does not stop" >&2; exit 1; fi
fi
`;

/** The command that {@link install} runs, as people would write it. */
export function installCommand(alternatives: readonly Alternative[], isRoot: boolean): string {
  const [first] = alternatives;
  return `${isRoot ? '' : 'sudo '}apt-get install ${first?.debianPackage ?? ''}`;
}

/** Whether it succeeded. What the package manager says goes to stderr. Throws the signal's reason when aborted. */
export async function install(
  alternatives: readonly Alternative[],
  isRoot: boolean,
  signal: AbortSignal,
): Promise<boolean> {
  const packages = alternatives.flatMap((one) => [one.debianPackage, one.minimum, one.debianUnit]);
  const command = ['sh', '-c', installScript, 'sh', ...packages];
  const [program = 'sh', ...args] = isRoot ? command : ['sudo', ...command];
  const result = await execa(program, args, {
    stdin: 'inherit',
    stdout: 2,
    stderr: 'inherit',
    reject: false,
    cancelSignal: signal,
    // A package manager that is killed leaves a locked, half-configured system.
    forceKillAfterDelay: false,
  });
  signal.throwIfAborted();
  return result.exitCode === 0;
}
