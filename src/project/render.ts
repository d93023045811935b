/** Plan → Project: every file that the user gets, as data. The same plan gives the same bytes everywhere. */

import type { Catalogue, Json, PartFile, Pattern } from '../pattern.ts';
import { formatPlan } from '../plan/file.ts';
import type { Part, Plan } from '../plan/plan.ts';
import type { Answers } from '../requirements/assemble.ts';
import { formatRequirements } from '../requirements/format.ts';
import { requirementsPath } from './find.ts';
import { renderTemplate } from './handlebars.ts';
import { manifestFile, planPath } from './manifest.ts';
import { checkInnerPath, checkPlanNames } from './names.ts';
import { partContext, printProgram, printTopology } from './program.ts';
import type { Project, ProjectFile } from './project.ts';
import { generated, shellFiles } from './shell.ts';
import { byCodeUnits, readSource, readSources } from './sources.ts';
import { unsafe } from './unsafe.ts';

/**
 * Renders `plan` with the patterns of `catalogue`. Throws DspError `project.unsafe-value` for a value that some file's
 * syntax cannot hold, and for a name that is none. With `answers`, dsp.yaml says which of them nobody gave.
 */
export async function renderProject(
  plan: Plan,
  catalogue: Catalogue,
  options: { readonly answers?: Answers } = {},
): Promise<Project> {
  checkPlanNames(plan);
  const patterns = patternsOf(plan, catalogue);
  const files = [
    ...(await shellFiles(plan, catalogue)),
    ...patterns.flatMap(patternFiles),
    ...(await Promise.all(plan.parts.map((part) => partFiles(part, plan, catalogue)))).flat(),
    generated('index.ts', printProgram(plan, catalogue)),
    generated(planPath, formatPlan(plan)),
    {
      ...generated(requirementsPath, formatRequirements(plan.requirements, catalogue, options.answers)),
      ownership: 'yours' as const,
    },
  ].sort((a, b) => byCodeUnits(a.path, b.path));
  checkPaths(files);
  const all = [...files, manifestFile(plan, files)].sort((a, b) => byCodeUnits(a.path, b.path));
  return { name: plan.requirements.name, files: all };
}

function patternsOf(plan: Plan, catalogue: Catalogue): readonly Pattern[] {
  return catalogue.filter((pattern) => plan.parts.some((part) => part.pattern === pattern.id));
}

/** Code, once a pattern, byte for byte: the component, its service with its tests, and what was weighed. */
function patternFiles(pattern: Pattern): readonly ProjectFile[] {
  const isEmitted = (path: string) => path === 'stack.ts' || path === 'README.md' || path.startsWith('service/');
  const emitted = readSources(`templates/${pattern.id}`, isEmitted);
  return emitted.map(({ path, content }) => generated(`patterns/${pattern.id}/${path}`, content));
}

/** Configuration, once a part. */
async function partFiles(part: Part, plan: Plan, catalogue: Catalogue): Promise<readonly ProjectFile[]> {
  const pattern = catalogue.find((candidate) => candidate.id === part.pattern);
  if (pattern === undefined) throw unsafe(`the pattern of ${part.name}`, part.pattern, 'a pattern of the catalogue');
  const files = pattern.files(partContext(part, plan)).map((file) => partFile(file, part, pattern));
  return [
    generated(`parts/${part.name}/topology.ts`, printTopology(part, plan.topology)),
    ...(await Promise.all(files)),
  ];
}

async function partFile(file: PartFile, part: Part, pattern: Pattern<Json>): Promise<ProjectFile> {
  checkInnerPath(`a file of ${part.name}`, file.path);
  const source = `templates/${pattern.id}/config/${file.template}`;
  const content = await renderTemplate(source, readSource(source), file.values);
  return { path: `parts/${part.name}/${file.path}`, content, ownership: file.ownership, executable: false };
}

/** Two files of one path would be written in turn, and one be lost. */
function checkPaths(files: readonly ProjectFile[]): void {
  for (const [index, file] of files.entries()) {
    checkInnerPath('the path of a file', file.path);
    if (files[index + 1]?.path === file.path) throw unsafe('the path of a file', file.path, 'a path that no other has');
  }
}
