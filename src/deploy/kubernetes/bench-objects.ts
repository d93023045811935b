/** What a bench in the cluster consists of: a Job with an account of its own, what it may do, and whom it may call. Pure. */

export interface BenchObjects {
  readonly project: string;
  readonly namespace: string;
  readonly image: string;
  /** Everything that the run is given, secrets included. */
  readonly input: string;
  readonly deadlineSeconds: number;
  /** What it asks for: its share of a busy node goes by that. */
  readonly cpuMillis: number;
}

export const benchName = (project: string) => `${project}-bench`;
/** Where the Job finds its input, and leaves its report until somebody has fetched it. */
export const inputPath = '/input/input.json';
export const reportPath = '/tmp/report.json';

/** A List for `kubectl apply`. */
export function benchObjects(objects: BenchObjects): unknown {
  const { project, namespace, input, deadlineSeconds } = objects;
  const name = benchName(project);
  const labels = { 'app.kubernetes.io/name': name, 'dsp/bench-of': project };
  const metadata = { name, namespace, labels };
  const rbac = 'rbac.authorization.k8s.io';
  const items = [
    { apiVersion: 'v1', kind: 'Secret', metadata, stringData: { 'input.json': input } },
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata },
    { apiVersion: `${rbac}/v1`, kind: 'Role', metadata, rules: jobRules },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'RoleBinding',
      metadata,
      roleRef: { apiGroup: rbac, kind: 'Role', name },
      subjects: [{ kind: 'ServiceAccount', name, namespace }],
    },
    { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata, spec: callsProject(project, labels) },
    {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata,
      spec: { backoffLimit: 0, activeDeadlineSeconds: deadlineSeconds, template: podTemplate(name, labels, objects) },
    },
  ];
  return { apiVersion: 'v1', kind: 'List', items };
}

/** To see pods, to kill one, to put a container into one that pauses it, and to restart or scale what makes them. */
export const jobRules = [
  { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list', 'delete'] },
  { apiGroups: [''], resources: ['pods/log'], verbs: ['get'] },
  { apiGroups: [''], resources: ['pods/ephemeralcontainers'], verbs: ['patch'] },
  { apiGroups: ['apps'], resources: ['statefulsets', 'deployments'], verbs: ['get', 'patch'] },
];

/** Its pods are the project's callers, and look into its engines, for as long as it is there. */
function callsProject(project: string, labels: Readonly<Record<string, string>>): unknown {
  return {
    podSelector: { matchLabels: { 'app.kubernetes.io/part-of': project } },
    policyTypes: ['Ingress'],
    ingress: [{ from: [{ podSelector: { matchLabels: labels } }] }],
  };
}

function podTemplate(
  name: string,
  labels: Readonly<Record<string, string>>,
  { image, cpuMillis }: BenchObjects,
): unknown {
  const container = {
    name: 'bench',
    image,
    args: ['bench-in-cluster'],
    resources: {
      requests: { cpu: `${cpuMillis}m`, memory: '256Mi', 'ephemeral-storage': '64Mi' },
      limits: { memory: '1Gi', 'ephemeral-storage': '512Mi' },
    },
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    },
    volumeMounts: [
      { name: 'input', mountPath: '/input', readOnly: true },
      { name: 'tmp', mountPath: '/tmp' },
    ],
  };
  const securityContext = {
    runAsNonRoot: true,
    runAsUser: 1000,
    runAsGroup: 1000,
    fsGroup: 1000,
    seccompProfile: { type: 'RuntimeDefault' },
  };
  return {
    metadata: { labels },
    spec: {
      serviceAccountName: name,
      restartPolicy: 'Never',
      enableServiceLinks: false,
      // A run that is ended heals what it hit before it goes.
      terminationGracePeriodSeconds: 120,
      securityContext,
      containers: [container],
      volumes: [
        { name: 'input', secret: { secretName: name, defaultMode: 0o440 } },
        { name: 'tmp', emptyDir: { sizeLimit: '512Mi' } },
      ],
    },
  };
}
