/** The shell of every project: what it has whatever its parts are. */

import { packageManifest } from '../package-root.ts';
import type { Catalogue } from '../pattern.ts';
import { bundlesOf } from '../plan/bundles.ts';
import type { Plan } from '../plan/plan.ts';
import { renderTemplate } from './handlebars.ts';
import type { ProjectFile } from './project.ts';
import { readmeView } from './readme.ts';
import { byCodeUnits, readSource, readSources } from './sources.ts';

const folder = 'templates/project';

/** Byte for byte. Names with a leading dot are put on here, as npm's packing drops some of those. */
const asTheyAre: Readonly<Record<string, string>> = {
  dockerignore: '.dockerignore',
  gitattributes: '.gitattributes',
  'github-workflow.yml': '.github/workflows/dsp.yml',
  gitignore: '.gitignore',
  'gitlab-ci.yml': '.gitlab-ci.yml',
  'build.mjs': 'build.mjs',
  'program.test.ts': 'program.test.ts',
  'tsconfig.json': 'tsconfig.json',
  'vitest.config.ts': 'vitest.config.ts',
};

export async function shellFiles(plan: Plan, catalogue: Catalogue): Promise<readonly ProjectFile[]> {
  const name = plan.requirements.name;
  const copied = Object.entries(asTheyAre).map(([source, path]) => generated(path, readSource(`${folder}/${source}`)));
  const stacks = readSources('stacks').map(({ path, content }) => generated(`stacks/${path}`, content));
  const kit = readSources('templates/kit').map(({ path, content }) => generated(`kit/${path}`, content));
  const bundles = [...new Set([...bundlesOf(plan.topology), ...bundlesOf(plan.local.topology)])].sort(byCodeUnits);
  return [
    ...copied,
    ...stacks,
    ...kit,
    await rendered('package.json.hbs', 'package.json', { name, ...toolVersions() }),
    await rendered('Pulumi.yaml.hbs', 'Pulumi.yaml', { name, description: `The system ${name}, planned by dsp` }),
    await rendered('README.md.hbs', 'README.md', readmeView(plan, catalogue)),
    ...(await Promise.all(bundles.map((bundle) => dockerfile(bundle, name)))),
  ];
}

export function generated(path: string, content: string): ProjectFile {
  return { path, content, ownership: 'generated', executable: false };
}

async function rendered(template: string, path: string, values: object): Promise<ProjectFile> {
  const source = readSource(`${folder}/${template}`);
  return generated(path, await renderTemplate(`${folder}/${template}`, source, values));
}

function dockerfile(bundle: string, project: string): Promise<ProjectFile> {
  return rendered('Dockerfile.hbs', `docker/${bundle}/Dockerfile`, { bundle, project });
}

/** The versions that dsp itself is built and tested with. */
function toolVersions(): object {
  const { devDependencies, engines } = packageManifest();
  return {
    node: engines.node,
    versions: {
      pulumi: devDependencies['@pulumi/pulumi'],
      pulumiKubernetes: devDependencies['@pulumi/kubernetes'],
      nodeTypes: devDependencies['@types/node'],
      esbuild: devDependencies.esbuild,
      typescript: devDependencies.typescript,
      vitest: devDependencies.vitest,
    },
  };
}
