/**
 * Bundles the compiled command into dist/cli, one file for what every call needs and one for what each command adds:
 * Node spends most of a short call on finding, reading and linking modules. CommonJS, which Node runs without the loader
 * of ES modules; and templates as the code that they compile to. Packages that few calls need, or that read files of
 * their own, stay where they are.
 */

import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';
import { Script } from 'node:vm';
import { build, transform } from 'esbuild';
import { precompileTemplate } from '../dist/src/project/compile-template.js';

const outdir = 'dist/cli';
/** CommonJS has no `import.meta.url`; no name of the sources'. */
const urlName = '__urlOfThisFile';
const require = createRequire(import.meta.url);
// Names and lines stay: they are in the stack trace of a bug.
const shorter = { minifyWhitespace: true, minifySyntax: true, lineLimit: 120 };

/** As in src/project/precompiled.ts. */
function precompiledTemplates() {
  const paths = readdirSync('templates', { recursive: true }).filter(
    (path) => path.endsWith('.hbs') && !path.includes('node_modules'),
  );
  const entries = paths.map((path) => {
    const source = readFileSync(join('templates', path), 'utf8');
    const digest = createHash('sha256').update(source).digest('hex');
    return `'${digest}': ${precompileTemplate(`templates/${path}`, source)}`;
  });
  return `export const precompiled = {${entries.join(',\n')}};`;
}

const templates = {
  name: 'templates',
  setup({ onLoad, onResolve }) {
    onLoad({ filter: /\/project\/precompiled\.js$/ }, () => ({ contents: precompiledTemplates(), loader: 'js' }));
    // Who renders needs Handlebars' runtime; who compiles is left as it is, and loaded when a template was changed.
    onResolve({ filter: /^handlebars$/ }, ({ importer }) =>
      importer.endsWith('/project/handlebars.js') ? { path: require.resolve('handlebars/runtime') } : undefined,
    );
  },
};

const { outputFiles } = await build({
  entryPoints: ['dist/src/cli.js'],
  outdir,
  bundle: true,
  splitting: true,
  write: false,
  format: 'esm',
  outExtension: { '.js': '.cjs' },
  platform: 'node',
  target: 'node20',
  chunkNames: '[name]-[hash]',
  external: ['inquirer', 'ioredis', '@peculiar/x509', 'reflect-metadata', 'uplot'],
  plugins: [templates],
  logLevel: 'warning',
  ...shorter,
});

const names = outputFiles.map(({ path }) => basename(path));
mkdirSync(outdir, { recursive: true });
for (const { path, text } of outputFiles) {
  // esbuild splits ES modules only, so each is made CommonJS afterwards.
  const { code } = await transform(text, {
    format: 'cjs',
    platform: 'node',
    target: 'node20',
    define: { 'import.meta.url': urlName },
    ...shorter,
  });
  const loading = names.reduce(
    (rest, name) => rest.replaceAll(`import("./${name}")`, `Promise.resolve().then(()=>require("./${name}"))`),
    code,
  );
  const url = loading.includes(urlName) ? `const ${urlName}=require("node:url").pathToFileURL(__filename).href;` : '';
  const file = join(outdir, basename(path));
  // A file that few commands load must not be found broken by whoever calls one of them.
  new Script(`(() => {${url}${loading}\n})`, { filename: file });
  writeFileSync(file, `${url}${loading}`);
}
