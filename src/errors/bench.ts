/** Errors of the bench: src/bench. */

import { entry, quote } from './entry.ts';

export const benchErrors = {
  'bench.no-deployment': entry<{ project: string; missing: string }>({
    exitCode: 4,
    meaning: 'A bench needs the running system, and it does not run or lacks a part.',
    what: ({ project, missing }) => `the system of ${project} does not run as planned: ${missing}`,
    mend: () => 'start it with `dsp deploy`; `dsp status` says what runs',
  }),
  'bench.unreachable': entry<{ part: string; address: string; problem: string }>({
    exitCode: 4,
    meaning: 'A part takes no connection before the load begins.',
    what: ({ part, address, problem }) => `${part} takes no connection at ${address}: ${problem}`,
    mend: ({ part }) => `look with \`dsp status\` and \`dsp logs ${part}\`, start it again with \`dsp deploy\``,
  }),
  'bench.prepare': entry<{ failed: string }>({
    exitCode: 1,
    meaning: 'The system refused the data that a bench fills it with before the load.',
    what: ({ failed }) => `the load could not be prepared: ${failed} failed`,
    mend: () => 'look with `dsp status` and `dsp logs`',
  }),
  'bench.threshold': entry<{ text: string; problem: string }>({
    exitCode: 2,
    meaning: "A service-level objective names an unknown metric, tag or aggregation, or is not of k6's form.",
    what: ({ text, problem }) => `the threshold ${JSON.stringify(text)} can't be judged: ${problem}`,
    mend: () => 'correct it in dsp.yaml under slo, then run `dsp plan --write`',
  }),
  'bench.load': entry<{ flag: string; problem: string }>({
    exitCode: 2,
    meaning: "The shape of the load or the choice of keys is malformed, or the shape's file can't be read.",
    what: ({ flag, problem }) => `--${flag}: ${problem}`,
    mend: ({ flag }) => `correct --${flag} (dsp bench --help)`,
  }),
  'bench.fault-unknown': entry<{ given: string; known: readonly string[]; nearest: string | null }>({
    exitCode: 2,
    meaning: 'A fault is none that this deployment can have.',
    what: ({ given, known }) =>
      `${JSON.stringify(given)} is no fault; it is <kind>:<part>.<role>, here one of ${known.join(', ')}`,
    mend: ({ nearest, known }) => `give --fault ${nearest ?? known[0] ?? 'kill:<part>.<role>'}`,
  }),
  'bench.fault-out-of-reach': entry<{ given: readonly string[]; kinds: readonly string[] }>({
    exitCode: 2,
    meaning: 'A fault is of a kind that a bench in a cluster cannot bring about.',
    what: ({ given, kinds }) =>
      `a bench in a cluster can ${kinds.join(', ')}, and nothing else: not ${given.join(', ')}`,
    mend: ({ kinds }) =>
      `leave it out (--fault ${kinds[0]}:<part>.<role> goes before dsp.yaml), or bench on this machine with --target local`,
  }),
  'bench.nothing-measured': entry<{ why: string }>({
    exitCode: 98,
    meaning: 'A calibration saw too few windows that tell anything.',
    what: ({ why }) => `no service time could be measured: ${why}`,
    mend: () => 'run `dsp bench --calibrate` again when the machine is quieter',
  }),
  'bench.fault-parameter': entry<{ given: string; problem: string }>({
    exitCode: 2,
    meaning: 'A fault has a parameter that it does not take, or a value that the parameter does not.',
    what: ({ given, problem }) => `the fault ${JSON.stringify(given)} ${problem}`,
    mend: () => 'give it as <kind>:<part>.<role>,<parameter>=<value>; the README lists the parameters of each kind',
  }),
  'bench.fault-not-healed': entry<{ kind: string; instance: string; seen: string }>({
    exitCode: 5,
    meaning: 'A process that a fault had hit did not come back.',
    what: ({ kind, instance, seen }) => `${instance} did not come back after the ${kind}: ${seen}`,
    mend: () => 'run `dsp deploy`, which starts what is missing; `dsp logs` shows why it failed',
  }),

  'bench.no-results': entry<{ given: string | null; known: readonly string[] }>({
    exitCode: 2,
    meaning: 'A report is to be drawn again, and there are no results of such a run.',
    what: ({ given, known }) =>
      `${given === null ? 'no run has left results here' : `${given} holds no results of a run`}${
        known.length === 0 ? '' : `; there are ${known.join(', ')}`
      }`,
    mend: ({ known }) => `run \`${known.length === 0 ? 'dsp bench' : `dsp bench report ${known.at(-1)}`}\``,
  }),
  'bench.results-unreadable': entry<{ problem: string }>({
    exitCode: 1,
    meaning: 'The results of a run are damaged, of another version, or something else.',
    what: ({ problem }) => `these are no results of a run: ${problem}`,
    mend: () =>
      'draw them with the dsp that wrote them, or measure again with `dsp bench`; what was cut off at the end does no harm',
  }),

  'bench.job-failed': entry<{ reason: string; lines: readonly string[] }>({
    exitCode: 5,
    meaning: 'The bench inside the cluster did not come to its end.',
    what: ({ reason, lines }) => `the bench in the cluster ${reason}${quote(lines)}`,
    mend: () => 'look with `dsp status`, then run `dsp bench` again',
  }),
};
