/**
 * Bundles the compiled command into dist/cli, one file for what every call needs and one for what each command adds:
 * Node spends most of a short call on finding, reading and linking modules. Packages that few calls need, or that read
 * files of their own, stay where they are.
 */

import { build } from 'esbuild';

await build({
  entryPoints: ['dist/src/cli.js'],
  outdir: 'dist/cli',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  chunkNames: '[name]-[hash]',
  external: ['inquirer', 'execa', 'ioredis', '@peculiar/x509', 'reflect-metadata', 'uplot'],
  // Bundled CommonJS packages require Node's own modules.
  banner: {
    js: "import { createRequire as requireFrom } from 'node:module';\nconst require = requireFrom(import.meta.url);",
  },
  logLevel: 'warning',
});
