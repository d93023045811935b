/** Writes a run's report into its folder: whole or not at all. */

import { mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { attempt } from '../../project/files.ts';
import type { Report } from '../report.ts';
import { renderHtml } from './report-html.ts';
import { renderJunit } from './report-junit.ts';
import { renderSummary } from './report-summary.ts';

/** `2026-01-31T12-59-07Z`: UTC, sortable, and a name on every file system. */
export function reportFolderName(startedAt: string): string {
  return startedAt.replace(/\.\d+Z$/, 'Z').replaceAll(':', '-');
}

/**
 * Writes index.html, report.json, junit.xml and summary.md into the folder, in place of those that are there. The same
 * report gives the same bytes. On an error, none of them has changed.
 */
export async function writeReport(folder: string, report: Report): Promise<void> {
  const files = {
    'index.html': renderHtml(report),
    'report.json': `${JSON.stringify(report, null, 2)}\n`,
    'junit.xml': renderJunit(report),
    'summary.md': renderSummary(report),
  };
  await attempt(folder, async () => {
    const draft = await mkdtemp(join(folder, '.draft-'));
    try {
      for (const [name, text] of Object.entries(files)) await writeFile(join(draft, name), text);
      for (const name of Object.keys(files)) await rename(join(draft, name), join(folder, name));
    } finally {
      await rm(draft, { recursive: true, force: true });
    }
  });
}

/** `latest` beside the folder: a symbolic link, or where there are none a file with the folder's name. */
export async function pointLatest(folder: string): Promise<void> {
  const [parent, name] = [dirname(folder), basename(folder)];
  await attempt(parent, async () => {
    const draft = join(parent, `.latest-${name}`);
    await rm(draft, { recursive: true, force: true });
    try {
      await symlink(name, draft);
    } catch {
      await writeFile(draft, `${name}\n`);
    }
    await rename(draft, join(parent, 'latest'));
  });
}

/**
 * What runs before left in `report/`, in order of time. A file that is no report of this form is passed over: reports are
 * the user's to delete, and older versions wrote others.
 */
export async function readReports(root: string): Promise<readonly Report[]> {
  const parent = join(root, 'report');
  const folders = await readdir(parent).catch(() => []);
  const found = await Promise.all(
    folders
      .filter((name) => /^\d{4}-/.test(name))
      .sort()
      .map(async (name) => {
        const text = await readFile(join(parent, name, 'report.json'), 'utf8').catch(() => 'null');
        return readReport(text);
      }),
  );
  return found.filter((report) => report !== null);
}

function readReport(text: string): Report | null {
  try {
    const report: Partial<Report> | null = JSON.parse(text);
    return report?.schemaVersion === 1 && Array.isArray(report.faults) && report.machine !== undefined
      ? (report as Report)
      : null;
  } catch {
    return null;
  }
}
