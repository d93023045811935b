/**
 * A registry of images for tests, at one address in two networks: this machine's, where builders push, and that of the
 * nodes, whose 127.0.0.1 is another. Two servers share one folder.
 */

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { findExecutable } from '../../src/deploy/engines.ts';
import { searchBuilder } from '../../src/deploy/kubernetes/builder.ts';
import { absent } from './cluster.ts';

/** The network namespace of the cluster's nodes. */
const nodesNetwork = process.env.DSP_CLUSTER_NETNS ?? '';
const program = 'docker-registry';

export interface Registry {
  /** Before the names of images: an address and a port. */
  readonly host: string;
  stop(): Promise<void>;
}

/** Why a test with a registry cannot run; null when it can. */
export async function absenceOfRegistry(): Promise<string | null> {
  if (absent !== null) return absent;
  if (nodesNetwork === '') return 'DSP_CLUSTER_NETNS names no network namespace of the nodes';
  const searchPath = process.env.PATH ?? '';
  if (findExecutable(program, searchPath) === null) return `${program} is not on PATH`;
  const { builder, found } = await searchBuilder(searchPath, new AbortController().signal);
  if (builder === null) return found;
  try {
    execFileSync('nsenter', [...inNodesNetwork(), 'true'], { stdio: 'ignore' });
    return null;
  } catch {
    return `nobody may enter the network namespace ${nodesNetwork}`;
  }
}

const inNodesNetwork = () => [`--net=/run/netns/${nodesNetwork}`];

/** Resolves when both servers listen. */
export async function startRegistry(): Promise<Registry> {
  const folder = mkdtempSync(join(tmpdir(), 'dsp-registry-'));
  const host = `127.0.0.1:${await freePort()}`;
  const images = join(folder, 'images');
  mkdirSync(images);
  const config = join(folder, 'config.json');
  const storage = { filesystem: { rootdirectory: images } };
  writeFileSync(config, JSON.stringify({ version: 0.1, storage, http: { addr: host, secret: 'shared' } }));
  const serve = [program, 'serve', config];
  const servers = [startServer(serve), startServer(['nsenter', ...inNodesNetwork(), ...serve])];
  const stop = async () => {
    await Promise.all(servers.map((server) => server.stop()));
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await Promise.all(servers.map(({ listens }) => listens));
  } catch (error) {
    await stop();
    throw error;
  }
  return { host, stop };
}

interface Server {
  readonly listens: Promise<void>;
  stop(): Promise<void>;
}

function startServer([command = '', ...args]: readonly string[]): Server {
  const child = execa(command, args, { stdin: 'ignore', all: true, reject: false, maxBuffer: 1_000_000 });
  const listens = new Promise<void>((resolve, reject) => {
    child.all.on('data', (data: Buffer) => {
      if (data.includes('listening on')) resolve();
    });
    void child.then(({ all }) => reject(new Error(`${command} ended: ${all}`)));
  });
  const stop = async () => {
    child.kill();
    await child;
  };
  return { listens, stop };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('a server on TCP has a port');
  return address.port;
}
