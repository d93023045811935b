/**
 * measured.json: the service times that `dsp bench --calibrate` measured, with the machine they were measured on. It lies
 * beside dsp.yaml and is committed: plan.json follows from both, on whatever machine they are planned.
 */

import { readFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import * as z from 'zod';
import { formatJson, parseJson } from '../json-document.ts';
import type { Downtime, ServiceTime } from '../pattern.ts';

export const measuredFile = 'measured.json';

const us = z.number().nonnegative();
const shape = z.strictObject({
  schemaVersion: z.literal(1),
  /** Times of one machine say nothing of another. */
  machine: z.strictObject({ cpus: z.number().int().positive(), model: z.string(), memoryMiB: us, node: z.string() }),
  /** Day of the measurement. */
  date: z.string(),
  /** CPU of one visit, µs, with its 95 % confidence interval. */
  times: z.record(z.string(), z.strictObject({ meanUs: us, lowUs: us, highUs: us, scv: us, windows: us })),
  /** How the p99 grew with the busy share of all cores, this system and its load generator on them; increasing. */
  busyCurve: z
    .array(z.strictObject({ busyShare: us, p99Ms: us }))
    .readonly()
    .optional(),
  /** By `<fault kind>:<part>.<role>`: ms to the last request that failed. */
  downtimes: z
    .record(z.string(), z.strictObject({ meanMs: us, lowMs: us, highMs: us, samples: us, plannedMs: us }))
    .optional(),
});

export type MeasuredTimes = z.infer<typeof shape>;
export type Fingerprint = MeasuredTimes['machine'];

/** The machine that this runs on. */
export function fingerprint(): Fingerprint {
  const all = cpus();
  return {
    cpus: all.length,
    model: all[0]?.model.trim() ?? 'unknown',
    memoryMiB: Math.round(totalmem() / 2 ** 20),
    node: process.versions.node,
  };
}

/** Why times of the one machine do not hold on the other; null when they do. Memory may differ by what a kernel keeps. */
export function otherMachine(measured: Fingerprint, here: Fingerprint): string | null {
  const major = (version: string) => version.split('.')[0];
  const differs =
    measured.cpus !== here.cpus ||
    measured.model !== here.model ||
    Math.abs(measured.memoryMiB - here.memoryMiB) > 0.1 * here.memoryMiB ||
    major(measured.node) !== major(here.node);
  return differs ? `measured on ${machineWords(measured)}, and this is ${machineWords(here)}` : null;
}

export function machineWords({ cpus, model, memoryMiB, node }: Fingerprint): string {
  return `${cpus} × ${model} with ${Math.round(memoryMiB / 1024)} GiB, Node ${node}`;
}

/** Throws `measured.unreadable`. */
export function parseMeasured(text: string, file: string): MeasuredTimes {
  return parseJson(text, file, shape, 'measured.unreadable') as MeasuredTimes;
}

export function formatMeasured(measured: MeasuredTimes): string {
  return formatJson(measured);
}

/** As the planner takes them. */
export function serviceTimesOf({ times, machine, date }: MeasuredTimes): Readonly<Record<string, ServiceTime>> {
  const citation = `measured on ${machineWords(machine)}, ${date}`;
  return Object.fromEntries(
    Object.entries(times).map(([name, { meanUs, lowUs, highUs, scv }]) => [
      name,
      { meanUs, lowUs, highUs, scv, source: 'measured' as const, citation },
    ]),
  );
}

/** By fault, as the planner takes them. */
export function downtimesOf({ downtimes = {}, machine, date }: MeasuredTimes): Readonly<Record<string, Downtime>> {
  const citation = `measured on ${machineWords(machine)}, ${date}`;
  return Object.fromEntries(Object.entries(downtimes).map(([fault, downtime]) => [fault, { ...downtime, citation }]));
}

/** What was measured, as the planner takes it. */
export interface Measurements {
  readonly measured: Readonly<Record<string, ServiceTime>>;
  readonly downtimes: Readonly<Record<string, Downtime>>;
}

/** Those of a project, of whatever machine: a plan follows from the project's files alone, wherever it is made. */
export async function readMeasurements(project: string): Promise<Measurements> {
  const measured = await readMeasured(project);
  if (measured === null) return { measured: {}, downtimes: {} };
  return { measured: serviceTimesOf(measured), downtimes: downtimesOf(measured) };
}

/** Null when nothing was measured yet. Throws `measured.unreadable`. */
export async function readMeasured(project: string): Promise<MeasuredTimes | null> {
  const file = join(project, measuredFile);
  const text = await readFile(file, 'utf8').catch(() => null);
  return text === null ? null : parseMeasured(text, file);
}
