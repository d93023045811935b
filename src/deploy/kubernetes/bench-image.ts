/** The image that a bench in the cluster runs from: this very dsp, as npm packs it. */

import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { sha256 } from '../../digest.ts';
import { DspError } from '../../errors.ts';
import { packageRoot } from '../../package-root.ts';

const dockerfile = `ARG BASE_IMAGE=node:22-slim
FROM \${BASE_IMAGE}
ENV NODE_ENV=production
WORKDIR /app
COPY node_modules ./node_modules
USER 1000:1000
ENTRYPOINT ["node", "/app/node_modules/dsp/bin/dsp.js"]
`;

/**
 * Packs and installs dsp into a folder that any builder makes an image of, and hands it to `build` with a tag that is
 * its content's. The folder is gone afterwards.
 */
export async function withBenchContext<T>(
  signal: AbortSignal,
  build: (folder: string, tag: string) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'dsp-bench-image-'));
  try {
    await npm(['pack', '--silent', '--ignore-scripts', '--pack-destination', folder, packageRoot()], folder, signal);
    const { stdout } = await execa('sh', ['-c', 'echo *.tgz'], { cwd: folder });
    const archive = join(folder, stdout.trim());
    const tag = sha256(readFileSync(archive)).slice(0, 12);
    const install = join(folder, 'install');
    mkdirSync(install);
    const flags = ['--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error'];
    writeFileSync(join(install, 'package.json'), '{"private":true}\n');
    await npm(['install', ...flags, archive], install, signal);
    const context = join(folder, 'context');
    mkdirSync(context);
    cpSync(join(install, 'node_modules'), join(context, 'node_modules'), { recursive: true });
    writeFileSync(join(context, 'Dockerfile'), dockerfile);
    return await build(context, tag);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function npm(args: readonly string[], cwd: string, signal: AbortSignal): Promise<void> {
  const outcome = await execa('npm', args, { cwd, all: true, reject: false, stdin: 'ignore', cancelSignal: signal });
  signal.throwIfAborted();
  if (outcome.exitCode === 0) return;
  const lines = (outcome.all ?? '').split('\n').slice(-20);
  throw new DspError('kubernetes.image-failed', { step: `npm ${args[0]}`, lines });
}
