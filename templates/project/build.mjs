/**
 * Bundles every service and job of plan.json into dist/<bundle>.mjs: one file that node runs as it is, here and in
 * its image. The Pulumi program goes to dist/index.mjs; it finds its packages in node_modules.
 */

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = dirname(fileURLToPath(import.meta.url));
const plan = JSON.parse(readFileSync(join(root, 'plan.json'), 'utf8'));

const services = [plan.topology, plan.local.topology]
  .flatMap(({ processSets, jobs }) => [
    ...processSets,
    ...processSets.flatMap(({ sidecars = [] }) => sidecars),
    ...jobs,
  ])
  .map((process) => process.program)
  .filter((program) => program.kind === 'service');

const common = {
  absWorkingDir: root,
  outdir: 'dist',
  outExtension: { '.js': '.mjs' },
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  keepNames: true,
  logLevel: 'warning',
};

// Packages written as CommonJS look for these names, which an ES module does not have.
const commonJsNames = [
  "import { createRequire as bundleCreateRequire } from 'node:module';",
  "import { dirname as bundleDirname } from 'node:path';",
  "import { fileURLToPath as bundleFileURLToPath } from 'node:url';",
  'const require = bundleCreateRequire(import.meta.url);',
  'const __filename = bundleFileURLToPath(import.meta.url);',
  'const __dirname = bundleDirname(__filename);',
];

await build({
  ...common,
  entryPoints: Object.fromEntries(services.map(({ bundle, entry }) => [bundle, entry])),
  banner: { js: commonJsNames.join('\n') },
});
await build({ ...common, entryPoints: { index: 'index.ts' }, packages: 'external' });
