/**
 * Who may do what on the servers: one Redis user a role, each with the least that its work needs. Whoever has not named
 * itself may ask whether the server is there, and nothing else.
 */

import type { Demand, PartContext, Secret, SecretFile, SecretText, Value } from '../../src/pattern.ts';
import { ringCommandNames } from './service/src/ring-commands.ts';
import type { StoreSizing, StoreUser } from './sizing.ts';

type Part = PartContext<StoreSizing>;

export const accessFile = 'access';
export const tlsFiles = { ca: 'tls-ca', certificate: 'tls-certificate', key: 'tls-key' } as const;

/** The prefix that the HTTP service puts before every item's key. */
export const itemKeyPrefix = 'item:';
export const itemUse: NonNullable<Demand['uses']> = { keyPrefixes: [itemKeyPrefix], scriptCommands: [] };

export function usersOf(demands: readonly Demand[]): readonly StoreUser[] {
  return demands.map(({ from, uses }) => ({ from, uses: uses ?? null }));
}

interface Role {
  readonly user: string;
  /** What the user may do, in the words of a Redis ACL. */
  readonly rules: string;
}

const anonymous = 'on nopass resetkeys resetchannels -@all +ping';
/** In Redis' documentation the least that a replica needs. */
const replication: Role = { user: 'replication', rules: '-@all +psync +replconf +ping' };
/** Forms the cluster, moves slots, and empties who leaves: MIGRATE names itself to the other server as this user too. */
export const converger = 'converge';
const converge: Role = {
  user: converger,
  rules:
    '~* -@all +cluster +info|server +info|replication +dbsize +role +eval +wait +migrate +restore +restore-asking +select +asking +flushall',
};
/** Looks at roles and slots, and reads no key. */
const observer: Role = {
  user: 'observer',
  rules:
    '-@all +ping +role +time +info|server +info|replication +dbsize +multi +exec +cluster|nodes +cluster|info +cluster|countkeysinslot',
};

/** Introduces members that have other addresses than they had. */
const addresses: Role = { user: 'addresses', rules: '-@all +ping +cluster|nodes +cluster|myid +cluster|meet' };

/** Stands for applications whose keys nobody knows; beyond single keys it may do nothing. */
const ambassador: Role = {
  user: 'ambassador',
  rules: `~* -@all +info|server ${ringCommandNames.map((name) => `+${name}`).join(' ')}`,
};

function serviceRole({ sizing }: Part, { from, uses }: StoreUser): Role {
  const keys = uses === null ? '~*' : uses.keyPrefixes.map((prefix) => `~${prefix}*`).join(' ');
  const routing = sizing.mode === 'store' ? ' +cluster|slots +asking' : '';
  const scripts = uses?.scriptCommands.map((command) => ` +${command}`).join('') ?? ' +@read +@write -@dangerous +time';
  const runs = scripts === '' ? '' : ` +eval +evalsha${scripts}`;
  const plain = uses === null || uses.scriptCommands.length === 0 ? ' +get +set +del' : '';
  return { user: userName(from), rules: `${keys} -@all${plain} +wait +info|server${routing}${runs}` };
}

const userName = (from: string) => (from === 'user' ? 'service' : `service-${from}`);

function rolesOf(part: Part): readonly Role[] {
  const { sizing } = part;
  const cluster = sizing.mode === 'store' ? [replication, converge, addresses] : [];
  const users = sizing.users.map((user) =>
    sizing.ambassador && user.from === 'user' ? ambassador : serviceRole(part, user),
  );
  return [...users, ...cluster, observer];
}

const secretOf = (part: Part, user: string) => `${part.name}-${user}`;
const tlsSecret = (part: Part) => `${part.name}-tls`;
/** The one name in the certificate: addresses change, and every server of the part is as good as another. */
export const serverName = (part: Pick<Part, 'name'>) => `${part.name}.internal`;

export function secrets(part: Part): readonly Secret[] {
  const passwords = rolesOf(part).map(
    ({ user }): Secret => ({ name: secretOf(part, user), part: part.name, content: { kind: 'password' } }),
  );
  const content = { kind: 'certificate', serverName: serverName(part) } as const;
  return [...passwords, ...(part.sizing.tls ? [{ name: tlsSecret(part), part: part.name, content }] : [])];
}

/** What the servers read, and nobody else: hashes of the passwords, and the one that a replica must say itself. */
export function secretFiles(part: Part): readonly SecretFile[] {
  const lines = rolesOf(part).flatMap(({ user, rules }): readonly Value[] => [
    `user ${user} on #`,
    { secret: secretOf(part, user), key: 'sha256' },
    ` resetkeys resetchannels ${rules}\n`,
  ]);
  const own: readonly Value[] =
    part.sizing.mode === 'store'
      ? [
          `masteruser ${replication.user}\nmasterauth `,
          { secret: secretOf(part, replication.user), key: 'password' },
          '\n',
        ]
      : [];
  const access = {
    name: accessFile,
    fileName: 'access.conf',
    text: { concat: [`user default ${anonymous}\n`, ...lines, ...own] },
  };
  return [access, ...(part.sizing.tls ? tlsSecretFiles(part) : [])];
}

function tlsSecretFiles(part: Part): readonly SecretFile[] {
  const file = (name: string, key: SecretText['key']) => ({
    name,
    fileName: key,
    text: { secret: tlsSecret(part), key },
  });
  return [file(tlsFiles.ca, 'ca.crt'), file(tlsFiles.certificate, 'tls.crt'), file(tlsFiles.key, 'tls.key')];
}

/** How a client names itself and whom it trusts, in kit's terms. `from` is a part's name, `user`, or `converge`. */
export function clientEnv(part: Part, from: string): Readonly<Record<string, Value>> {
  const own = part.sizing.ambassador ? ambassador.user : userName(from);
  const user = from === converger ? from : from === 'user' ? own : userName(from);
  return {
    KV_USER: user,
    KV_PASSWORD: { secret: secretOf(part, user), key: 'password' },
    ...(part.sizing.tls
      ? { KV_TLS_CA: { secret: tlsSecret(part), key: 'ca.crt' }, KV_TLS_SERVER_NAME: serverName(part) }
      : {}),
  };
}

/** The same for who looks at the servers from outside, and for who puts load on them as the service does. */
export function observerAccess(part: Part): Readonly<Record<string, Value>> {
  const { KV_USER: loadUser = '', KV_PASSWORD: loadPassword = '' } = clientEnv(part, 'user');
  const servesUser = part.sizing.users.some(({ from }) => from === 'user');
  return {
    user: observer.user,
    password: { secret: secretOf(part, observer.user), key: 'password' },
    ...(servesUser ? { loadUser, loadPassword } : {}),
    ...(part.sizing.tls ? { ca: { secret: tlsSecret(part), key: 'ca.crt' }, serverName: serverName(part) } : {}),
  };
}
