import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { homeOf } from '../../../../src/deploy/kubernetes/home.ts';
import { provideImages } from '../../../../src/deploy/kubernetes/images.ts';
import { smallTopology } from '../../../e2e/deploy-fixture.ts';
import { callsOf, fakeProgram } from '../../../fixtures/fake-program.ts';
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts';

const registry = '127.0.0.1:5000';
let root = '';
let docker = '';
let buildah = '';
let said: string[] = [];

beforeEach(() => {
  root = temporaryFolder('images');
  said = [];
  for (const bundle of ['api', 'converge']) {
    put(`dist/${bundle}.mjs`, bundle);
    put(`docker/${bundle}/Dockerfile`, 'FROM scratch\n');
  }
  const bin = temporaryFolder('images-bin');
  docker = fakeProgram(bin, 'docker', 'exit 1');
  buildah = fakeProgram(bin, 'buildah', '');
  vi.stubEnv('PATH', bin);
});
afterEach(() => {
  vi.unstubAllEnvs();
});

function put(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

function provide(more: { readonly registry?: string; readonly given?: Readonly<Record<string, string>> } = {}) {
  return provideImages({
    home: homeOf(root),
    project: 'shop',
    topology: smallTopology,
    given: {},
    registry,
    context: 'c',
    signal: new AbortController().signal,
    report: (line) => said.push(line),
    ...more,
  });
}

describe('images of a deployment', () => {
  it('are built and pushed by one builder, who is looked for once', async () => {
    const images = await provide();
    expect(Object.keys(images)).toEqual(['api', 'converge']);
    for (const [bundle, image] of Object.entries(images)) {
      expect(image).toMatch(new RegExp(`^${registry}/shop/${bundle}:[0-9a-f]{12}$`));
    }
    expect(callsOf(docker)).toHaveLength(1);
    expect(callsOf(buildah)).toEqual(
      Object.entries(images).flatMap(([bundle, image]) => [
        `build --file ${root}/docker/${bundle}/Dockerfile --tag ${image} ${root}`,
        `push --tls-verify=false ${image}`,
      ]),
    );
    expect(said).toEqual(Object.values(images).map((image) => `building ${image} (buildah)`));
  });

  it('are not built again, and nobody is asked, until one changes or goes elsewhere', async () => {
    const first = await provide();
    const calls = callsOf(buildah).length;
    expect(await provide()).toEqual(first);
    expect(callsOf(docker)).toHaveLength(1);
    expect(callsOf(buildah)).toHaveLength(calls);
    put('dist/api.mjs', 'another');
    const second = await provide();
    expect(second.api).not.toBe(first.api);
    expect(second.converge).toBe(first.converge);
    expect(callsOf(buildah)).toHaveLength(calls + 2);
    await provide({ registry: 'registry.example.com' });
    expect(callsOf(buildah)).toHaveLength(calls + 6);
  });

  it('that are all named need no builder', async () => {
    const given = { api: 'a:1', converge: 'c:1' };
    vi.stubEnv('PATH', '');
    expect(await provide({ given })).toEqual(given);
    await expect(provide({ given: { api: 'a:1' } })).rejects.toMatchObject({
      code: 'kubernetes.no-builder',
      params: { bundles: ['converge'] },
    });
  });

  it('that cannot be built or pushed leave what the builder said, and are tried again', async () => {
    fakeProgram(dirname(buildah), 'buildah', '[ "$1" = build ] || { echo "connection refused"; exit 1; }');
    await expect(provide()).rejects.toMatchObject({
      code: 'kubernetes.image-failed',
      message: expect.stringMatching(/buildah push \S+ \S+` failed[\s\S]*connection refused/),
    });
    fakeProgram(dirname(buildah), 'buildah', '');
    await provide();
    expect(callsOf(buildah)).toHaveLength(2 + 4);
  });
});
