import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { guard } from '../../../src/deploy/local/guard.ts';
import { connectionOwners, readProcess } from '../../../src/deploy/local/procfs.ts';
import { temporaryFolder } from '../../fixtures/temporary-folder.ts';

const until = async (holds: () => boolean) => {
  for (let i = 0; i < 1000 && !holds(); i++) await systemClock.sleep(10);
  return holds();
};

describe('guard', () => {
  it('resumes what was stopped when the process that stopped it is killed', async () => {
    const victim = spawn('sleep', ['1000'], { stdio: 'ignore' });
    const pid = victim.pid as number;
    try {
      const module = fileURLToPath(new URL('../../../dist/src/deploy/local/guard.js', import.meta.url));
      expect(existsSync(module), 'npm run build').toBe(true);
      const code = `import { guard } from ${JSON.stringify(module)}; guard('kill -CONT "$1"', ['${pid}']); process.kill(${pid}, 'SIGSTOP'); setInterval(() => {}, 1000);`;
      const dsp = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: 'ignore' });
      expect(await until(() => readProcess(pid)?.state === 'stopped')).toBe(true);
      dsp.kill('SIGKILL');
      expect(await until(() => readProcess(pid)?.state === 'running')).toBe(true);
    } finally {
      victim.kill('SIGKILL');
    }
  });

  it('does nothing once it is released', async () => {
    const file = join(temporaryFolder('guard'), 'late');
    guard('touch "$1"', [file])();
    await systemClock.sleep(300);
    expect(existsSync(file)).toBe(false);
  });
});

describe('connectionOwners', () => {
  it('finds the folder that the connecting process works in', async () => {
    const dataDir = temporaryFolder('owners');
    const cwd = join(dataDir, 'store-0');
    mkdirSync(cwd);
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const code = `require('node:net').connect(${port}, '127.0.0.1'); setInterval(() => {}, 1000)`;
    const child = spawn(process.execPath, ['-e', code], { cwd, stdio: 'ignore' });
    try {
      const [socket] = await once(server, 'connection');
      const connection = { localPort: socket.remotePort, remotePort: port };
      expect(connectionOwners(dataDir, [connection, { localPort: 1, remotePort: port }])).toEqual(['store-0', null]);
      expect(connectionOwners(join(dataDir, 'else'), [connection])).toEqual([null]);
      socket.destroy();
    } finally {
      child.kill('SIGKILL');
      server.close();
    }
  });
});
