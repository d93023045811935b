import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { pushArgs, requireBuilder, searchBuilder } from '../../../../src/deploy/kubernetes/builder.ts';
import { examineCluster } from '../../../../src/deploy/kubernetes/doctor.ts';
import { callsOf, fakeProgram } from '../../../fixtures/fake-program.ts';
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts';

const { signal } = new AbortController();
const answers = 'echo 27.3.1';
/** As the client does it without a daemon. */
const silent = 'echo "Cannot connect to the Docker daemon" >&2; exit 1';

function machineWith(programs: Readonly<Record<string, string>>): string {
  const folder = temporaryFolder('builder');
  for (const [name, script] of Object.entries(programs)) fakeProgram(folder, name, script);
  return folder;
}

describe('who builds images', () => {
  it('is docker when its daemon answers', async () => {
    const folder = machineWith({ docker: answers, buildah: '' });
    const docker = join(folder, 'docker');
    expect(await searchBuilder(folder, signal)).toEqual({
      builder: { name: 'docker', path: docker },
      found: `${docker} 27.3.1`,
    });
    expect(callsOf(docker)).toEqual(['version --format {{.Server.Version}}']);
  });

  it('is buildah when docker is a client alone', async () => {
    const folder = machineWith({ docker: silent, buildah: '' });
    const buildah = join(folder, 'buildah');
    expect(await searchBuilder(folder, signal)).toEqual({
      builder: { name: 'buildah', path: buildah },
      found: `${buildah} (${join(folder, 'docker')} has no daemon that answers)`,
    });
  });

  it('is buildah when a daemon has not answered in time, or says nothing of itself', async () => {
    const late = machineWith({ docker: 'exec sleep 30', buildah: '' });
    expect((await searchBuilder(late, signal, 200)).builder?.name).toBe('buildah');
    const mute = machineWith({ docker: 'echo', buildah: '' });
    expect((await searchBuilder(mute, signal)).builder?.name).toBe('buildah');
  });

  it('is buildah where there is no docker', async () => {
    const folder = machineWith({ buildah: '' });
    expect((await requireBuilder(['api'], folder, signal)).path).toBe(join(folder, 'buildah'));
  });

  it('is nobody with neither, and it is said what is lacking and what could be named instead', async () => {
    const folder = machineWith({ docker: silent });
    const attempt = requireBuilder(['api', 'converge'], folder, signal);
    await expect(attempt).rejects.toMatchObject({
      code: 'kubernetes.no-builder',
      message: expect.stringMatching(
        /api, converge: \S+docker has no daemon that answers, and buildah is not on PATH$/,
      ),
      mend: expect.stringContaining('--image api=… --image converge=…'),
    });
    const { found } = await searchBuilder(temporaryFolder('builder'), signal);
    expect(found).toBe('neither docker nor buildah is on PATH');
  });

  it('is not found out once the user has interrupted', async () => {
    const folder = machineWith({ docker: 'exec sleep 30', buildah: '' });
    const interrupted = new AbortController();
    const search = searchBuilder(folder, interrupted.signal);
    interrupted.abort(new Error('interrupted'));
    await expect(search).rejects.toThrow('interrupted');
  });

  it('is what dsp doctor says', async () => {
    const checkOf = async (folder: string) => {
      const checks = await examineCluster({ project: null, env: { PATH: folder }, signal });
      return checks.find(({ id }) => id === 'builder');
    };
    const able = machineWith({ docker: silent, buildah: '' });
    const { found } = await searchBuilder(able, signal);
    expect(await checkOf(able)).toMatchObject({ ok: true, found, mend: null });
    const unable = machineWith({ docker: silent });
    expect(await checkOf(unable)).toMatchObject({
      ok: false,
      found: expect.stringContaining('no daemon that answers, and buildah'),
      mend: expect.stringContaining("start docker's daemon"),
    });
  });
});

describe('a push', () => {
  const docker = { name: 'docker', path: '/docker' } as const;
  const buildah = { name: 'buildah', path: '/buildah' } as const;

  it.each(['127.0.0.1:5000', '127.1.2.3', 'localhost:5001', '[::1]:5000'])(
    'by buildah goes to a registry at %s as docker goes there',
    (registry) => {
      expect(pushArgs(buildah, `${registry}/shop/api:1`)).toEqual([
        'push',
        '--tls-verify=false',
        `${registry}/shop/api:1`,
      ]);
      expect(pushArgs(docker, `${registry}/shop/api:1`)).toEqual(['push', `${registry}/shop/api:1`]);
    },
  );

  it.each(['registry.example.com', 'localhost.example.com', '127.0.0.1.example.com:5000'])(
    'to %s is over TLS',
    (registry) => {
      expect(pushArgs(buildah, `${registry}/shop/api:1`)).toEqual(['push', `${registry}/shop/api:1`]);
    },
  );
});
