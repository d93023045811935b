/** The report as JUnit XML, which CI systems show: a test case for each check, invariant and fault. */

import type { Report, Verdict } from '../report.ts';
import { hitWord, measuredText, printable } from './report-words.ts';

interface Case {
  readonly group: string;
  readonly name: string;
  readonly verdict: Verdict;
  readonly text: string;
}

/** `fail` becomes a failure; `inconclusive` and `invalid` an error, so that no CI takes them for a pass. */
export function renderJunit(report: Report): string {
  const cases = casesOf(report);
  const count = (wanted: (verdict: Verdict) => boolean) => cases.filter(({ verdict }) => wanted(verdict)).length;
  const failures = count((verdict) => verdict === 'fail');
  const errors = count((verdict) => verdict === 'inconclusive' || verdict === 'invalid');
  const counts = `tests="${cases.length}" failures="${failures}" errors="${errors}"`;
  const seconds = (report.durationMs / 1000).toFixed(3);
  const name = attribute(`dsp bench ${report.name}`);
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="${name}" ${counts} time="${seconds}">`,
    `  <testsuite name="${name}" ${counts} skipped="0" time="${seconds}" timestamp="${attribute(report.startedAt.replace(/\.\d+Z$/, ''))}">`,
    ...cases.map(renderCase),
    '  </testsuite>',
    '</testsuites>',
    '',
  ].join('\n');
}

function casesOf(report: Report): readonly Case[] {
  const invariantVerdicts = { held: 'pass', violated: 'fail', unexercised: 'inconclusive' } as const;
  return [
    {
      group: 'run',
      name: 'verdict',
      verdict: report.verdict,
      text: report.reasons.join('\n'),
    },
    ...report.checks.map((check) => ({
      group: `checks.${check.from}`,
      name: check.name,
      verdict: check.verdict,
      text: `measured ${measuredText(check)}, bound ${check.bound} ${check.unit}. ${check.note}`,
    })),
    ...report.invariants.map((found) => ({
      group: `invariants.${found.part}`,
      name: found.title,
      verdict: invariantVerdicts[found.verdict],
      text: [found.note, ...found.violations].join('\n'),
    })),
    ...report.faults.map((fault) => ({
      group: `faults.${fault.part}`,
      name: `${fault.kind} ${fault.instance}`,
      verdict: hitWord(fault) === 'hit' ? ('pass' as const) : ('inconclusive' as const),
      text: fault.witness,
    })),
  ];
}

function renderCase({ group, name, verdict, text }: Case): string {
  const open = `    <testcase classname="${attribute(group)}" name="${attribute(name)}"`;
  if (verdict === 'pass') return `${open}/>`;
  const element = verdict === 'fail' ? 'failure' : 'error';
  const message = attribute(text.split('\n')[0] ?? '');
  return `${open}><${element} type="${verdict}" message="${message}">${content(text)}</${element}></testcase>`;
}

/** XML 1.0 can't hold control characters even as references. */
function content(text: string): string {
  return printable(text).replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function attribute(text: string): string {
  return content(text)
    .replaceAll('"', '&quot;')
    .replace(/[\t\n\r]/g, ' ');
}
