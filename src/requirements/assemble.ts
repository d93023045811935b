/** Answers by key → Requirements, or every reason why not. */

import type { Catalogue, Json } from '../pattern.ts';
import { type Field, fields } from './fields.ts';
import type { Interval, Requirements } from './requirements.ts';

/** Where an answer comes from, weakest last. */
export type Origin = 'flag' | 'environment' | 'file' | 'interview' | 'prior';

export interface Answer {
  readonly value: Json;
  readonly origin: Origin;
}

/** By key: `name`, `needs`, those of {@link fields}, `options.<need>.<key>`, `slo`, `faults`, `images`. */
export type Answers = ReadonlyMap<string, Answer>;

export interface Problem {
  readonly key: string;
  readonly problem: string;
}

/**
 * What is to be answered, in the order of asking: the general fields that the chosen patterns read, then the patterns'
 * own questions. Before the needs are known: what every pattern reads.
 */
export function fieldsFor(answers: Answers, catalogue: Catalogue): readonly Field[] {
  const needs = answers.get('needs')?.value as readonly string[] | undefined;
  const chosen = catalogue.filter((pattern) => needs?.includes(pattern.need.id));
  const isRead = ({ key }: Field) => {
    const section = key.split('.')[0] ?? '';
    return needs === undefined
      ? catalogue.every((pattern) => pattern.reads.includes(section))
      : chosen.some((pattern) => pattern.reads.includes(section));
  };
  return [...fields.filter(isRead), ...optionFields(chosen)].filter((field) => matters(field, answers));
}

function matters({ onlyIf, unasked }: Field, answers: Answers): boolean {
  if (unasked) return false;
  const other = onlyIf && answers.get(onlyIf.key)?.value;
  return other === undefined || other === onlyIf?.is;
}

/** Every field there can be: what --set, the environment and dsp.yaml may name. */
export function allFields(catalogue: Catalogue): readonly Field[] {
  return [...fields, ...optionFields(catalogue)];
}

function optionFields(patterns: Catalogue): readonly Field[] {
  return patterns.flatMap((pattern) =>
    pattern.questions.map((question) => ({ ...question, key: `options.${pattern.need.id}.${question.key}` })),
  );
}

export const namePattern = /^[a-z][a-z0-9-]{0,38}[a-z0-9]$|^[a-z]$/;

/** Options given to a need that the system does not have. `origins`: of whose answers. */
export function strayOptions(answers: Answers, origins: readonly Origin[], catalogue: Catalogue): readonly Problem[] {
  const needs = answers.get('needs')?.value as readonly string[] | undefined;
  if (needs === undefined) return [];
  const strays = optionFields(catalogue.filter((pattern) => !needs.includes(pattern.need.id)));
  return strays.flatMap(({ key }) => {
    const origin = answers.get(key)?.origin;
    const problem = `is for a need that is not among needs (${needs.join(', ')})`;
    return origin !== undefined && origins.includes(origin) ? [{ key, problem }] : [];
  });
}

/** Cross-checks that no single key can see. */
export function contradictions(answers: Answers): readonly Problem[] {
  const payload = answers.get('data.payloadBytes')?.value as Interval | undefined;
  const total = answers.get('data.totalMiB')?.value as Interval | undefined;
  const read = answers.get('rate.readPerSecond')?.value as Interval | undefined;
  const write = answers.get('rate.writePerSecond')?.value as Interval | undefined;
  const found: Problem[] = [];
  if (payload && total && payload.high > total.high * 2 ** 20) {
    found.push({ key: 'data.payloadBytes', problem: `is ${payload.high}, more than all the data (${total.high} MiB)` });
  }
  if (read && write && read.high + write.high === 0) {
    found.push({ key: 'rate', problem: 'is 0 reads and 0 writes a second: there is nothing to do' });
  }
  return found;
}

/** Answers that lack a key take its prior. `needs` and `name` must be there. */
export function requirementsOf(answers: Answers, catalogue: Catalogue): Requirements {
  const needs = answers.get('needs')?.value as readonly string[];
  const value = <T>(key: string): T => {
    const field = fields.find((candidate) => candidate.key === key);
    return (answers.get(key)?.value ?? field?.prior) as T;
  };
  return {
    schemaVersion: 1,
    name: value('name'),
    needs: catalogue.map((pattern) => pattern.need.id).filter((id) => needs.includes(id)),
    rate: {
      readPerSecond: value('rate.readPerSecond'),
      writePerSecond: value('rate.writePerSecond'),
      peakFactor: value('rate.peakFactor'),
      keySkew: value('rate.keySkew'),
    },
    data: { payloadBytes: value('data.payloadBytes'), totalMiB: value('data.totalMiB') },
    latency: { p99Ms: value('latency.p99Ms') },
    consistency: { level: value('consistency.level'), stalenessMs: value('consistency.stalenessMs') },
    availability: { target: value('availability.target'), recoveryMs: value('availability.recoveryMs') },
    loss: { rpoMs: value('loss.rpoMs') },
    cost: { usdPerMonth: value('cost.usdPerMonth') },
    operations: { effort: value('operations.effort'), lossesPerYear: value('operations.lossesPerYear') },
    options: optionsOf(answers, needs, catalogue),
    slo: (answers.get('slo')?.value ?? {}) as Requirements['slo'],
    ...imagesOf(answers),
    ...faultsOf(answers),
  };
}

/** None written is none there, so that nothing else changes. */
function faultsOf(answers: Answers): Pick<Requirements, 'faults'> {
  const faults = (answers.get('faults')?.value ?? []) as readonly string[];
  return faults.length === 0 ? {} : { faults };
}

function optionsOf(answers: Answers, needs: readonly string[], catalogue: Catalogue): Requirements['options'] {
  const chosen = catalogue.filter((pattern) => needs.includes(pattern.need.id) && pattern.questions.length > 0);
  return Object.fromEntries(
    chosen.map(({ need, questions }) => [
      need.id,
      Object.fromEntries(
        questions.map(({ key, prior }) => [key, answers.get(`options.${need.id}.${key}`)?.value ?? prior]),
      ),
    ]),
  );
}

function imagesOf(answers: Answers): Pick<Requirements, 'images'> {
  const images = answers.get('images')?.value as Requirements['images'];
  return images === undefined || Object.keys(images).length === 0 ? {} : { images };
}
