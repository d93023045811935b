/** Who builds images and pushes them: docker when its daemon answers, else buildah, which needs none. */

import { execa } from 'execa';
import { DspError } from '../../errors.ts';
import { findExecutable } from '../engines.ts';

export interface Builder {
  readonly name: 'docker' | 'buildah';
  readonly path: string;
}

export interface BuilderSearch {
  /** Null: nobody here builds images. */
  readonly builder: Builder | null;
  /** What is there; of what does not do, why. */
  readonly found: string;
}

/** A daemon may wake up first, or be on another machine. */
const answerTimeoutMs = 10_000;
const quiet = { reject: false, stdin: 'ignore', stderr: 'ignore' } as const;

/** Asks docker's daemon: its client alone, which many machines have, builds nothing. */
export async function searchBuilder(
  searchPath: string,
  signal: AbortSignal,
  timeoutMs = answerTimeoutMs,
): Promise<BuilderSearch> {
  const docker = findExecutable('docker', searchPath);
  const version = docker === null ? null : await daemonVersion(docker, signal, timeoutMs);
  if (docker !== null && version !== null) {
    return { builder: { name: 'docker', path: docker }, found: `${docker} ${version}` };
  }
  const mute = docker === null ? null : `${docker} has no daemon that answers`;
  const buildah = findExecutable('buildah', searchPath);
  if (buildah !== null) {
    return { builder: { name: 'buildah', path: buildah }, found: mute === null ? buildah : `${buildah} (${mute})` };
  }
  const neither = 'neither docker nor buildah is on PATH';
  return { builder: null, found: mute === null ? neither : `${mute}, and buildah is not on PATH` };
}

/** Throws `kubernetes.no-builder`. */
export async function requireBuilder(
  bundles: readonly string[],
  searchPath: string,
  signal: AbortSignal,
): Promise<Builder> {
  const { builder, found } = await searchBuilder(searchPath, signal);
  if (builder === null) throw new DspError('kubernetes.no-builder', { bundles, found });
  return builder;
}

/** Null when nobody answers. */
async function daemonVersion(docker: string, signal: AbortSignal, timeoutMs: number): Promise<string | null> {
  const question = ['version', '--format', '{{.Server.Version}}'];
  const limits = { cancelSignal: signal, timeout: timeoutMs };
  const { stdout, exitCode } = await execa(docker, question, { ...quiet, ...limits });
  signal.throwIfAborted();
  return exitCode === 0 && stdout.trim() !== '' ? stdout.trim() : null;
}

/**
 * The arguments that push an image. To a registry at a loopback address docker and the nodes' containerd speak plain HTTP
 * unasked; buildah would insist on TLS.
 */
export function pushArgs({ name }: Builder, image: string): readonly string[] {
  const plain = name === 'buildah' && /^(localhost|127(\.\d+){3}|\[::1\])(:\d+)?\//.test(image);
  return ['push', ...(plain ? ['--tls-verify=false'] : []), image];
}
