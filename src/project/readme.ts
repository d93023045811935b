/** What the project's README says of a plan: the view that its template renders. */

import type { Catalogue, Decision, Excuse, Prediction } from '../pattern.ts';
import type { Part, Plan } from '../plan/plan.ts';

/** Every value of templates/project/README.md.hbs. */
export function readmeView(plan: Plan, catalogue: Catalogue): object {
  return {
    name: plan.requirements.name,
    needs: plan.requirements.needs.map((need) => wordsOf(need, catalogue)).join(', '),
    diagram: diagramView(plan, catalogue),
    parts: plan.parts.map((part) => partView(part, plan, catalogue)),
    cost: {
      usdPerMonth: figure(plan.cost.usdPerMonth),
      budget: figure(plan.cost.budgetUsdPerMonth),
      source: plan.cost.priceSource,
      date: plan.cost.priceDate,
    },
    local: { scale: figure(plan.local.scale), because: plan.local.because },
    decided: plan.decisions.length > 0,
    decisions: plan.decisions.map(decisionView),
    ...secretsView(plan),
  };
}

/** The secrets that somebody has to make who deploys without dsp. */
function secretsView({ topology }: Plan): object {
  const secrets = topology.secrets ?? [];
  return {
    passwords: secrets.filter(({ content }) => content.kind === 'password').map(({ name }) => name),
    certificates: secrets.flatMap(({ name, content }) =>
      content.kind === 'certificate' ? [{ name, serverName: content.serverName }] : [],
    ),
  };
}

/** At most four significant digits, no exponent, the same in every locale. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return 'unknown';
  const rounded = Number(value.toPrecision(4));
  if (Number.isInteger(rounded)) return BigInt(rounded).toString();
  return Math.abs(rounded) >= 1e-6 ? String(rounded) : '0';
}

function partView(part: Part, plan: Plan, catalogue: Catalogue): object {
  const machines = part.machines.map(({ machine, count, for: purpose }) => `${count} × ${machine} (${purpose})`);
  const { decisions, predictions, rejected } = part;
  return {
    name: part.name,
    title: titleOf(part, catalogue),
    why: whyOf(part, plan, catalogue),
    machines: machines.join(', '),
    usdPerMonth: figure(part.usdPerMonth),
    decided: decisions.length > 0,
    decisions: decisions.map(decisionView),
    predicted: predictions.length > 0,
    predictions: predictions.map(predictionView),
    excused: rejected.length > 0,
    rejected: rejected.map(excuseView),
  };
}

/** The need that the user named, or the part that called for it. */
function whyOf(part: Part, plan: Plan, catalogue: Catalogue): string {
  if (part.need !== null) return wordsOf(part.need, catalogue);
  const callers = plan.edges.filter((edge) => edge.to === part.name);
  return callers.map((edge) => `${edge.capability} for ${edge.from}`).join(', ');
}

function decisionView({ about, chosen, because, from }: Decision): object {
  return { about, chosen, because: sentence(because), from: from.join(', ') };
}

function predictionView({ metric, predicted, bound, unit, margin }: Prediction): object {
  const measure = (value: number) => `${figure(value)} ${unit}`;
  return { metric, predicted: measure(predicted), bound: measure(bound), margin: `${figure(margin)} ×` };
}

function excuseView({ option, reason, bottleneck }: Excuse): object {
  return { option, reason, bottleneck };
}

/** Ids are positions, so that no name can become syntax of the diagram. */
function diagramView(plan: Plan, catalogue: Catalogue): object {
  const idOf = (name: string) => `p${plan.parts.findIndex((part) => part.name === name)}`;
  const setsOf = (part: Part) => plan.topology.processSets.filter((set) => set.part === part.name);
  const parts = plan.parts.map((part) => ({
    id: idOf(part.name),
    label: `${part.name}: ${titleOf(part, catalogue)}`,
    sets: setsOf(part).map((set, index) => ({
      id: `${idOf(part.name)}s${index}`,
      label: `${set.replicas} × ${set.program.kind === 'engine' ? set.program.program : set.program.bundle}`,
    })),
  }));
  const exposed = plan.parts.filter((part) => setsOf(part).some((set) => set.ports.some((port) => port.exposed)));
  return {
    parts,
    entries: exposed.map((part) => ({ to: idOf(part.name) })),
    edges: plan.edges.map(({ from, to, capability }) => ({ from: idOf(from), to: idOf(to), label: capability })),
  };
}

function titleOf(part: Part, catalogue: Catalogue): string {
  return catalogue.find((pattern) => pattern.id === part.pattern)?.title ?? part.pattern;
}

function wordsOf(need: string, catalogue: Catalogue): string {
  return catalogue.find((pattern) => pattern.need.id === need)?.need.words ?? need;
}

function sentence(text: string): string {
  const capital = `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;
  return /[.!?]$/.test(text) || text === '' ? capital : `${capital}.`;
}
