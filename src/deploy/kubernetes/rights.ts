/** Whether the cluster allows what a deployment, and a bench of it, does there. */

import { DspError } from '../../errors.ts';
import { jobRules } from './bench-objects.ts';
import { type Cluster, kubectl, namespaceExists } from './cluster.ts';

export interface Right {
  readonly verb: string;
  /** With its subresource: `pods/log`. */
  readonly resource: string;
  /** API group; empty: that of Kubernetes' core. */
  readonly group: string;
}

/** The part of a SelfSubjectRulesReview's rules that is read; `*` stands for all. */
export interface Rule {
  readonly verbs: readonly string[];
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  /** What the rule is restricted to; absent or empty: nothing. */
  readonly resourceNames?: readonly string[];
}

const written = ['get', 'create', 'patch', 'delete'];
/** Of what is waited for, or looked for by its label. Few may list every secret of a namespace. */
const watched = ['get', 'list', 'watch', 'create', 'patch', 'delete'];

/** What a deployment takes from its first resource to its last, with a look at what failed in between. */
const ofDeployments: readonly Rule[] = [
  { apiGroups: ['apps'], resources: ['statefulsets', 'deployments'], verbs: watched },
  { apiGroups: ['batch'], resources: ['jobs'], verbs: watched },
  { apiGroups: [''], resources: ['services'], verbs: watched },
  { apiGroups: [''], resources: ['configmaps', 'secrets', 'serviceaccounts'], verbs: written },
  { apiGroups: ['policy'], resources: ['poddisruptionbudgets'], verbs: written },
  { apiGroups: ['networking.k8s.io'], resources: ['networkpolicies'], verbs: written },
  { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list', 'watch'] },
  { apiGroups: [''], resources: ['pods/log'], verbs: ['get'] },
  { apiGroups: [''], resources: ['events'], verbs: ['list'] },
  { apiGroups: [''], resources: ['persistentvolumeclaims'], verbs: ['get', 'list', 'watch', 'delete'] },
];

/** What its objects are made and taken away with, and what the Job does: nobody may give away rights that he has not. */
const ofBenches: readonly Rule[] = [
  ...jobRules,
  { apiGroups: ['batch'], resources: ['jobs'], verbs: watched },
  { apiGroups: [''], resources: ['secrets', 'serviceaccounts'], verbs: watched },
  { apiGroups: ['networking.k8s.io'], resources: ['networkpolicies'], verbs: watched },
  { apiGroups: ['rbac.authorization.k8s.io'], resources: ['roles', 'rolebindings'], verbs: watched },
  { apiGroups: [''], resources: ['pods/exec'], verbs: ['create'] },
];

const makeNamespace: Right = { verb: 'create', resource: 'namespaces', group: '' };

/**
 * Whether the namespace is there. Throws `kubernetes.no-rights` with every right that a deployment in it misses, and
 * `kubernetes.unreachable` when nobody answers.
 */
export async function checkNamespace(cluster: Cluster, signal: AbortSignal): Promise<boolean> {
  // Asked at once: each question costs the start of a kubectl.
  const [exists, rules] = await Promise.all([namespaceExists(cluster), listRules(cluster, signal)]);
  await demand(cluster, [...rightsOf(ofDeployments), ...(exists ? [] : [makeNamespace])], rules, signal);
  return exists;
}

/** Throws `kubernetes.no-rights` with every right that a bench misses. */
export async function checkBenchRights(cluster: Cluster, signal: AbortSignal): Promise<void> {
  await demand(cluster, rightsOf(ofBenches), await listRules(cluster, signal), signal);
}

async function demand(
  cluster: Cluster,
  wanted: readonly Right[],
  rules: readonly Rule[],
  signal: AbortSignal,
): Promise<void> {
  const missing = await denied(cluster, notGranted(wanted, rules), signal);
  if (missing.length === 0) return;
  throw new DspError('kubernetes.no-rights', { namespace: cluster.namespace, missing: inWords(missing) });
}

/** Each right that the rules grant. */
function rightsOf(rules: readonly Rule[]): readonly Right[] {
  return rules.flatMap(({ apiGroups = [], resources = [], verbs }) =>
    apiGroups.flatMap((group) => resources.flatMap((resource) => verbs.map((verb) => ({ verb, resource, group })))),
  );
}

/** `create, patch jobs` for each resource. */
function inWords(rights: readonly Right[]): readonly string[] {
  const resources = [...new Set(rights.map(({ resource }) => resource))];
  return resources.map((name) => {
    const verbs = rights.filter(({ resource }) => resource === name).map(({ verb }) => verb);
    return `${verbs.join(', ')} ${name}`;
  });
}

/** Those of `wanted` that no rule grants. */
export function notGranted(wanted: readonly Right[], rules: readonly Rule[]): readonly Right[] {
  const has = (values: readonly string[] | undefined, value: string) =>
    values?.includes('*') === true || values?.includes(value) === true;
  return wanted.filter(
    ({ verb, resource, group }) =>
      !rules.some(
        ({ verbs, resources, apiGroups, resourceNames = [] }) =>
          has(verbs, verb) && has(resources, resource) && has(apiGroups, group) && resourceNames.length === 0,
      ),
  );
}

/**
 * One answer for all rights, which may leave some out: what decides in a cluster need not be able to list its rules.
 * Empty where nobody may ask for them.
 */
async function listRules({ context, namespace }: Cluster, signal: AbortSignal): Promise<readonly Rule[]> {
  const review = { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectRulesReview', spec: { namespace } };
  try {
    const answer = JSON.parse(await create(context, review, 'json', signal)) as {
      readonly status: { readonly resourceRules: readonly Rule[] | null };
    };
    return answer.status.resourceRules ?? [];
  } catch (error) {
    if (error instanceof DspError && error.code === 'kubernetes.refused') return [];
    throw error;
  }
}

/** Those that the cluster denies. Each is asked for by itself, which is the last word on it. */
async function denied(
  { context, namespace }: Cluster,
  rights: readonly Right[],
  signal: AbortSignal,
): Promise<readonly Right[]> {
  if (rights.length === 0) return [];
  const reviews = rights.map(({ verb, resource: path, group }) => {
    const [resource, subresource] = path.split('/');
    const resourceAttributes = { verb, resource, subresource, group, namespace };
    return { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectAccessReview', spec: { resourceAttributes } };
  });
  const all = { apiVersion: 'v1', kind: 'List', items: reviews };
  // One answer a review, in their order.
  const answer = await create(context, all, 'jsonpath={.status.allowed} ', signal);
  const allowed = answer.trim().split(/\s+/);
  return rights.filter((_, index) => allowed[index] !== 'true');
}

function create(context: string, object: unknown, output: string, signal: AbortSignal): Promise<string> {
  const args = ['create', '--validate=false', '--filename', '-', '--output', output];
  return kubectl(context, args, { input: JSON.stringify(object), signal });
}
