/**
 * The commander program: flags are declared here, each command is imported when it is called. The one place that
 * catches errors and sets the exit code.
 */

import { resolve } from 'node:path';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { DspError, describeError, type ExitCode } from './errors.ts';
import { packageVersion } from './package-root.ts';
import { isProject, nearestProject } from './project/find.ts';
import { processTerminal, type Terminal, whenUnread } from './terminal.ts';

type Action = (terminal: Terminal) => Promise<0 | ExitCode>;

/** Runs `argv` (as in process.argv) to its end and sets the process's exit code. */
export function main(argv: readonly string[]): void {
  const terminal = processTerminal(interruptSignal());
  let exitCode: number = 0;
  const program = buildProgram(terminal.cwd, async (action) => {
    exitCode = await action(terminal);
  });
  program
    .parseAsync([...argv])
    .catch((error: unknown) => {
      exitCode = failed(error, terminal, argv.includes('--json'));
    })
    .finally(() => {
      process.exitCode = exitCode;
      // A command that was interrupted may leave sockets or timers; nobody waits for them.
      if (exitCode === 130) process.exit(130);
    });
}

/** The program with `run` called by each command's action: `completion` and tests read its shape. */
export function buildProgram(cwd: string, run: (action: Action) => Promise<void>): Command {
  const program = new Command('dsp')
    .description('Turns requirements into a distributed system that runs, and proves with numbers that it meets them.')
    .version(packageVersion())
    .option('-C, --project <dir>', 'the project (default: the nearest folder upwards with a dsp.yaml)')
    .showSuggestionAfterError()
    .showHelpAfterError('(dsp --help lists the commands)')
    .exitOverride();
  const project = () => findProject(cwd, program.opts<{ project?: string }>().project);
  addPlanning(program, project, run);
  addRunning(program, project, run);
  addOthers(program, project, run);
  addInJob(program, run);
  for (const command of program.commands) command.exitOverride().showHelpAfterError(`(dsp ${command.name()} --help)`);
  return program;
}

type Project = () => string;
type Run = (action: Action) => Promise<void>;

const json = () => new Option('--json', 'print one JSON document');
const target = () => new Option('--target <target>', 'where the system runs').choices(['local', 'kubernetes']);
const settings = () =>
  new Option('--set <key=value>', 'an answer, as in dsp.yaml (repeat)').argParser(collect).default([], 'none');

function addPlanning(program: Command, project: Project, run: Run): void {
  program
    .command('new')
    .argument('[dir]', 'folder of the new project (default: its name)')
    .description('ask for the requirements, plan, and write the project')
    .option('--answers <file>', 'answers from a dsp.yaml')
    .addOption(settings())
    .option('-y, --yes', 'take the documented default for every answer not given', false)
    .option('--no-input', 'never ask')
    .addOption(json())
    .action((dir: string | undefined, o) =>
      run(async (terminal) => {
        const { runNew } = await import('./commands/new.ts');
        return runNew({ ...o, ...(dir === undefined ? {} : { dir }), json: o.json === true }, terminal);
      }),
    );
  program
    .command('plan')
    .description('plan again from dsp.yaml, and say why it is as it is')
    .addOption(settings())
    .option('--explain <part>', 'every decision and rejected option of one part')
    .option('--diff', 'compare with plan.json; exit 1 when they differ', false)
    .option('--write', 'write plan.json and the project again, keeping your edits', false)
    .addOption(json())
    .action((o) =>
      run(async (terminal) => {
        const { runPlan } = await import('./commands/plan.ts');
        return runPlan({ ...o, project: project(), json: o.json === true }, terminal);
      }),
    );
}

function addRunning(program: Command, project: Project, run: Run): void {
  addDeploy(program, project, run);
  program
    .command('status')
    .description('what runs; exit 1 when something does not')
    .addOption(target())
    .addOption(json())
    .action((o) =>
      run(async (terminal) => {
        const { runStatus } = await import('./commands/status.ts');
        return runStatus({ ...o, project: project(), json: o.json === true }, terminal);
      }),
    );
  program
    .command('logs')
    .argument('[part]', 'a part, a process set or an instance (default: all)')
    .description('the logs of what runs')
    .option('-f, --follow', 'go on until Ctrl-C', false)
    .option('-n, --lines <count>', 'last lines of each log', parseCount, 50)
    .addOption(target())
    .action((part: string | undefined, o) =>
      run(async (terminal) => {
        const { runLogs } = await import('./commands/logs.ts');
        return runLogs({ ...o, project: project(), ...(part === undefined ? {} : { part }) }, terminal);
      }),
    );
  addBench(program, project, run);
  program
    .command('destroy')
    .description('stop everything that the project started, and delete its data')
    .option('--keep-data', 'keep what the engines stored', false)
    .addOption(target())
    .option('--context <name>', 'kubernetes: of kubectl (default: the last deployment’s)')
    .option('--namespace <name>', 'kubernetes: (default: the last deployment’s)')
    .option('--unlock', 'kubernetes: take away the lock of a run that died elsewhere', false)
    .addOption(json())
    .action((o) =>
      run(async (terminal) => {
        const { runDestroy } = await import('./commands/destroy.ts');
        return runDestroy({ ...o, kubernetes: o, project: project(), json: o.json === true }, terminal);
      }),
    );
}

function addDeploy(program: Command, project: Project, run: Run): void {
  program
    .command('deploy')
    .description('build and start the system on this machine, or change what changed')
    .option('--scale <fraction>', 'local scale, 0 < scale ≤ 1 (default: what fits)', parseFraction)
    .addOption(
      new Option('--instruments <reach>', 'what faults can reach; a bench that needs more sees to it').choices([
        'none',
        'network',
        'power',
        'clock',
      ]),
    )
    .addOption(target().default('local'))
    .option('--context <name>', 'kubernetes: of kubectl (default: the last deployment’s, else the current one)')
    .option('--namespace <name>', 'kubernetes: made when it is not there (default: the project’s name)')
    .option('--preview', 'kubernetes: show what would change', false)
    .addOption(
      new Option('--image <program=ref>', 'kubernetes: image of a bundle or engine (repeat)')
        .argParser(collect)
        .default([], 'built here'),
    )
    .option('--registry <prefix>', 'kubernetes: where built images are pushed')
    .option('--overcommit <factor>', 'kubernetes: request the planned CPU and memory divided by this', parseFactor)
    .option('--unlock', 'kubernetes: take away the lock of a run that died elsewhere', false)
    .addOption(json())
    .action((o) =>
      run(async (terminal) => {
        const { runDeploy } = await import('./commands/deploy.ts');
        return runDeploy({ ...o, kubernetes: o, project: project(), json: o.json === true }, terminal);
      }),
    );
}

function addBench(program: Command, project: Project, run: Run): void {
  const bench = program
    .command('bench')
    .description('load-test the deployment under faults, and judge it')
    .option('--duration <seconds>', 'steady load before the faults', parseSeconds)
    .option('--warmup <seconds>', 'load before anything counts', parseSeconds)
    .option('--seed <number>', 'replay a run', parseCount)
    .addOption(
      new Option('--arrivals <process>', 'how requests arrive').choices(['poisson', 'constant']).default('poisson'),
    )
    .option('--shape <shape>', 'of the rate: steady, ramp:<from>..<to>, step:<factor>,… or file:<path>', 'steady')
    .option('--skew <skew>', 'of the keys: uniform, zipf:<exponent> or hot:<share>/<keys>')
    .addOption(
      new Option('--fault <fault>', 'e.g. kill:store.primary, latency:store.primary,ms=50 (repeat)').argParser(collect),
    )
    .option('--draw <count>', 'let the seed draw so many of the faults', parseCount)
    .addOption(
      new Option('--seeds <seeds>', 'a campaign: 20, or 5..9; run again, it goes on').argParser(parseSeedRange),
    )
    .option('--fresh', 'with --seeds: begin anew', false)
    .option('--no-faults', 'load only')
    .addOption(
      new Option('--via <protocol>', 'where the load goes: to the services, or past them').choices(['http', 'redis']),
    )
    .option('--rate <factor>', 'multiply the planned rates', parsePositive)
    .option('--workers <count>', 'generator threads', parseCount)
    .option('--find-capacity', 'search the highest rate that meets every objective, and compare it with the prediction')
    .option('--calibrate', 'measure service times on this machine into measured.json, for dsp plan')
    .option('--smoke', 'below scale 1, let a run without violation exit 0', false)
    .addOption(target())
    .addOption(new Option('--image <bench=ref>', 'kubernetes: image of dsp (default: built here)').argParser(collect))
    .option('--registry <prefix>', 'kubernetes: where the built image is pushed')
    .addOption(json())
    .action((o) =>
      run(async (terminal) => {
        const { duration, warmup, fault, faults, seeds, fresh, ...rest } = o;
        const options = {
          ...rest,
          project: project(),
          json: o.json === true,
          ...(duration === undefined ? {} : { durationMs: duration * 1000 }),
          ...(warmup === undefined ? {} : { warmupMs: warmup * 1000 }),
          ...(faults === false ? { faults: 'none' } : fault === undefined ? {} : { faults: fault }),
        };
        if (seeds !== undefined) {
          const { runCampaign } = await import('./commands/campaign.ts');
          return runCampaign({ ...options, seeds, fresh }, terminal);
        }
        const { runBench } = await import('./commands/bench.ts');
        return runBench(options, terminal);
      }),
    );
  addBenchReport(bench, project, run);
}

function addBenchReport(bench: Command, project: Project, run: Run): void {
  bench
    .command('report')
    .argument('[run]', 'a folder of report/ (default: the newest run)')
    .description('draw the report of a run again from its results, without load')
    .addOption(json())
    .action((name: string | undefined, _, command: Command) =>
      run(async (terminal) => {
        const { runBenchReport } = await import('./commands/bench-report.ts');
        // A flag that bench has too is taken by bench, wherever it stands.
        const { json } = command.optsWithGlobals<{ json?: boolean }>();
        return runBenchReport({ run: name ?? null, project, json: json === true }, terminal);
      }),
    );
}

/** What the Job of a bench in the cluster runs; nobody else calls it. */
function addInJob(program: Command, run: Run): void {
  program.command('bench-in-cluster', { hidden: true }).action(() =>
    run(async (terminal) => {
      const { runInJob } = await import('./commands/bench-kubernetes.ts');
      const { patternOf } = await import('./commands/bench.ts');
      return runInJob(patternOf, terminal);
    }),
  );
}

function addOthers(program: Command, project: Project, run: Run): void {
  program
    .command('upgrade')
    .description('write the project again with this version of dsp, keeping your edits')
    .addOption(json())
    .action((o) =>
      run(async (terminal) => {
        const { runUpgrade } = await import('./commands/upgrade.ts');
        return runUpgrade({ project: project(), json: o.json === true }, terminal);
      }),
    );
  program
    .command('patterns')
    .description('the kinds of system that dsp knows')
    .addOption(json())
    .action((o) =>
      run(async (terminal) => {
        const { runPatterns } = await import('./commands/patterns.ts');
        return runPatterns({ json: o.json === true }, terminal);
      }),
    );
  program
    .command('doctor')
    .description('what this machine lacks, and the command that mends it')
    .option('--fix', 'run those commands, after asking', false)
    .addOption(target())
    .option('--context <name>', 'kubernetes: of kubectl (default: the current one)')
    .option('--namespace <name>', 'kubernetes: where it is to run')
    .option('-y, --yes', 'do not ask', false)
    .addOption(json())
    .action((o) =>
      run(async (terminal) => {
        const { runDoctor } = await import('./commands/doctor.ts');
        const given = program.opts<{ project?: string }>().project;
        return runDoctor(
          { ...o, json: o.json === true, ...(given === undefined ? {} : { project: project() }) },
          terminal,
        );
      }),
    );
  program
    .command('completion')
    .argument('<shell>', 'bash, zsh or fish')
    .description('print the completion script of a shell')
    .action((shell: string) =>
      run(async (terminal) => {
        const { runCompletion } = await import('./commands/completion.ts');
        return runCompletion({ shell, program }, terminal);
      }),
    );
}

/** The given folder, or the nearest one upwards from `cwd` that holds a dsp.yaml. Throws `input.no-project`. */
function findProject(cwd: string, given: string | undefined): string {
  const dir = given === undefined ? cwd : resolve(cwd, given);
  const found = given === undefined ? nearestProject(dir) : isProject(dir) ? dir : null;
  if (found === null) throw new DspError('input.no-project', { dir });
  return found;
}

function failed(error: unknown, terminal: Terminal, asJson: boolean): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof DspError) {
    if (asJson) terminal.json(errorDocument(error));
    terminal.note(describeError(error));
    return error.exitCode;
  }
  if (terminal.interrupt.aborted) {
    terminal.note(describeError(new DspError('interrupted', {})));
    return 130;
  }
  terminal.note(`bug: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  return 1;
}

function errorDocument(error: DspError): unknown {
  const { code, params, message, where, mend } = error;
  return { schemaVersion: 1, error: { code, message, where: where ?? null, mend, params } };
}

/** The first SIGINT or SIGTERM aborts; a second one ends the process at once. */
function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  const onSignal = () => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort(new DspError('interrupted', {}));
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  // What only writes, as `dsp logs -f`, has nothing left to do.
  whenUnread(() => controller.abort(new DspError('interrupted', {})));
  return controller.signal;
}

function collect(value: string, previous: readonly string[] | undefined): readonly string[] {
  return [...(previous ?? []), value];
}

function parseNumber(text: string, valid: (value: number) => boolean, expected: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || !valid(value))
    throw new InvalidArgumentError(`expected ${expected}`);
  return value;
}

const parseFraction = (text: string) => parseNumber(text, (v) => v > 0 && v <= 1, 'a number above 0, at most 1');
const parseFactor = (text: string) => parseNumber(text, (v) => v >= 1 && v <= 1000, 'a number from 1 to 1000');
const parseSeconds = (text: string) => parseNumber(text, (v) => v > 0 && v <= 86_400, 'seconds above 0, at most 86400');
const parseCount = (text: string) =>
  parseNumber(text, (v) => Number.isInteger(v) && v >= 0 && v < 2 ** 31, 'a whole number');
/** The words only: what they mean is the campaign's, which is not loaded for `--help`. */
function parseSeedRange(text: string): string {
  if (/^(\d{1,9}\.\.)?\d{1,9}$/.test(text)) return text;
  throw new InvalidArgumentError('expected a number of seeds, or first..last');
}

const parsePositive = (text: string) => parseNumber(text, (v) => v > 0 && v <= 1000, 'a number above 0, at most 1000');
